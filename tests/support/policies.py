"""Policies and objects for tests of them: everything that a test does not name is valid and plain."""

from datetime import date
from typing import Any

from webhook.core.claims import parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.policies import PolicyResource
from webhook.core.policies_parse import parse_policy
from webhook.policy.case import PolicyCase
from webhook.policy.compile import CompiledPolicy, compile_policy

TODAY = date(2026, 6, 15)
VIEW = ClusterView()


def policy_object(name: str = "x", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "drawbridge.dev/v1alpha1",
        "kind": "ClaimPolicy",
        "metadata": {"name": name},
        "spec": spec,
    }


def compiled(*validations: str, name: str = "x", **spec: Any) -> CompiledPolicy:
    """Return a policy of these validations."""
    listed = [{"expression": expression} for expression in validations]
    return compile_policy(parse_policy(policy_object(name, **{"validations": listed, **spec})))


def claim_case(raw: dict[str, Any], view: ClusterView = VIEW, namespace: str = "lab", **more: Any) -> PolicyCase:
    """Return the case of a claim."""
    resource = PolicyResource.TEMPLATES if raw["kind"] == "ResourceClaimTemplate" else PolicyResource.CLAIMS
    return PolicyCase(resource, raw, namespace, view, more.pop("today", TODAY), claim=parse_claim(raw), **more)
