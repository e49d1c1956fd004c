"""ClaimPolicies: compiling them when they are written, and judging objects by them. Pure."""
