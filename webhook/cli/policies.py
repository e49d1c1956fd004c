"""`drawbridge policies`: shipped policies, policies as Kubernetes' own, and what they say of what exists."""

import click

from webhook.cli.policies_audit import audit
from webhook.cli.policies_export import export


@click.group()
def policies() -> None:
    """Shipped ClaimPolicies; ClaimPolicies as ValidatingAdmissionPolicies; what they say of objects that exist."""


policies.add_command(audit)
policies.add_command(export)
