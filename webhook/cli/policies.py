"""`drawbridge policies`: shipped policies, policies as Kubernetes' own, and what they say of what exists."""

import click

from webhook.cli.policies_audit import audit
from webhook.cli.policies_export import export
from webhook.cli.policies_pack import install, list_, show


@click.group()
def policies() -> None:
    """Shipped ClaimPolicies; ClaimPolicies as ValidatingAdmissionPolicies; what they say of objects that exist."""


for command in (audit, export, install, list_, show):
    policies.add_command(command)
