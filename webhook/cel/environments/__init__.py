"""Declarations of the environments, one file a release."""
