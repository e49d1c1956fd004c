"""Builders for pods, workloads and what they refer to, and what is found in them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from tests.support.build import Raw, claim_object, make_view, request
from webhook.core.claims import TEMPLATE, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import ResourceSlice
from webhook.core.finding import Finding
from webhook.core.mending import edited
from webhook.inventory.pod_case import PodCase, pod_case
from webhook.rules import PodCheck

NAMESPACE = "team-a"


def container(*claims: Raw | str, name: str = "main", limits: Raw | None = None, **fields: Any) -> Raw:
    """Return a container that names these claims."""
    listed = [{"name": claim} if isinstance(claim, str) else claim for claim in claims]
    resources = {**({"claims": listed} if listed else {}), **({"limits": limits} if limits else {})}
    return {"name": name, "image": "trainer:1.0", **({"resources": resources} if resources else {}), **fields}


def of_template(name: str, template: str = "single-gpu") -> Raw:
    return {"name": name, "resourceClaimTemplateName": template}


def of_claim(name: str, claim: str = "shared-gpu") -> Raw:
    return {"name": name, "resourceClaimName": claim}


def pod_object(claims: Sequence[Raw], *containers: Raw, annotations: Raw | None = None, **spec: Any) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "train", "namespace": NAMESPACE, **({"annotations": annotations} if annotations else {})},
        "spec": {"containers": list(containers), "resourceClaims": list(claims), **spec},
    }


def workload(pod: Raw, kind: str = "Deployment", **spec: Any) -> Raw:
    """Return a workload of such pods."""
    group = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    inner: Raw = {"template": {"spec": pod["spec"]}, **spec}
    if kind == "CronJob":
        inner = {"jobTemplate": {"spec": inner}}
    return {"apiVersion": group, "kind": kind, "metadata": {"name": "train", "namespace": NAMESPACE}, "spec": inner}


def template_object(*requests: Raw, name: str = "single-gpu", namespace: str = NAMESPACE) -> Raw:
    raw = claim_object(*requests, name=name, namespace=namespace)
    return {**raw, "kind": TEMPLATE, "spec": {"spec": raw["spec"]}}


def view_with(*objects: Raw, slices: Iterable[ResourceSlice] = (), **fields: Any) -> ClusterView:
    """Return a view with these claims and templates; without any, with the template `single-gpu`."""
    stored = [parse_claim(raw) for raw in objects or (template_object(request("gpu")),)]
    claims, templates = (
        {(one.metadata.namespace, one.metadata.name): one for one in stored if (one.kind == TEMPLATE) is is_template}
        for is_template in (False, True)
    )
    return replace(make_view(*slices, **fields), claims=claims, templates=templates)


def case_of(raw: Raw, view: ClusterView, **fields: Any) -> PodCase:
    case = pod_case(raw, NAMESPACE, view, **fields)
    assert case is not None
    return case


def found(check: PodCheck, raw: Raw, view: ClusterView | None = None) -> list[Finding]:
    return list(check(case_of(raw, view or view_with())))


def mended(check: PodCheck, raw: Raw, view: ClusterView | None = None) -> Raw:
    """Return the object with the first fix of each finding applied; none of them may be left."""
    findings = found(check, raw, view)
    assert findings
    edits = [edit for finding in findings for edit in finding.fixes[0].edits]
    assert edits
    result, made = edited(raw, edits)
    assert made == len({edit.path for edit in edits})
    assert found(check, result, view) == []
    changed: Raw = result
    return changed
