"""From what is asked of an admission endpoint, or stands in a file, to the objects that policies judge."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, in_order
from webhook.core.pods import POD
from webhook.core.policies import PolicyResource
from webhook.core.raw import RawObject
from webhook.core.review import Resource, Review
from webhook.inventory.case import Case
from webhook.inventory.pod_case import PodCase
from webhook.policy.book import PolicyBook, Shelf
from webhook.policy.case import NO_KIND, PolicyCase, Requester
from webhook.policy.defaults import Defaulted, defaulted
from webhook.policy.judge import Judgement, Outcome, Trace, judge_concerned

_POD_KIND = Resource("", "v1", POD)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what of an object, beside the object itself."""

    today: date
    operation: str = "CREATE"
    name: str = ""
    kind: Resource = NO_KIND
    resource: Resource = NO_KIND
    request_kind: Resource = NO_KIND
    old: RawObject | None = None
    requester: Requester = field(default_factory=Requester)
    dry_run: bool = False
    options: RawObject = field(default_factory=dict)


def asked_in(review: Review, today: date) -> Asked:
    """Return who asks what in a review."""
    return Asked(
        today=today,
        operation=review.operation,
        name=review.name,
        kind=review.kind,
        resource=review.resource,
        request_kind=review.request_kind or review.kind,
        old=review.old_object,
        requester=Requester(review.username, review.groups, review.user_uid, review.user_extra),
        dry_run=review.dry_run,
        options=review.options,
    )


def asked_of_file(raw: RawObject, today: date) -> Asked:
    """Return what stands in for a request where an object is only in a file: it is created, by nobody in particular."""
    metadata = raw.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    group, _, version = str(raw.get("apiVersion") or "").rpartition("/")
    kind = Resource(group, version, str(raw.get("kind") or ""))
    return Asked(today, name=name if isinstance(name, str) else "", kind=kind, request_kind=kind)


def of_dra(case: Case, asked: Asked, findings: Iterable[Finding] = ()) -> PolicyCase:
    """Return the case of a claim, template or DeviceClass, after what the built-in rules found."""
    subject = case.subject
    resource = PolicyResource.DEVICE_CLASSES
    if isinstance(subject, Claim):
        resource = PolicyResource.CLAIMS if subject.kind == CLAIM else PolicyResource.TEMPLATES
    return replace(
        _case(resource, case.raw, "" if isinstance(subject, DeviceClass) else case.namespace, case.view, asked),
        claim=subject if isinstance(subject, Claim) else None,
        findings=tuple(findings),
        expired=case.expired,
    )


def of_pods(case: PodCase, raw: RawObject, asked: Asked, findings: Iterable[Finding] = ()) -> Iterator[PolicyCase]:
    """Yield the case of a pod; of a workload its own and that of the pods that it makes."""
    claims = {entry.name: case.claim_of(entry) for entry in case.pod.claims if entry.name}
    shared = tuple(findings)
    if case.kind != POD:
        workload = _case(PolicyResource.WORKLOADS, raw, case.namespace, case.view, asked)
        yield replace(workload, pod_claims=claims, replicas=case.replicas, findings=shared, expired=case.expired)
        pod = {**case.raw, "apiVersion": "v1", "kind": POD}
        asked = replace(asked, name="", kind=_POD_KIND, resource=Resource("", "v1", "pods"), old=None)
        made = replace(_case(PolicyResource.PODS, pod, case.namespace, case.view, asked), at=case.at, workload=raw)
    else:
        made = _case(PolicyResource.PODS, raw, case.namespace, case.view, asked)
    yield replace(made, pod_claims=claims, replicas=case.replicas, findings=shared, expired=case.expired)


def _case(resource: PolicyResource, raw: RawObject, namespace: str, view: ClusterView, asked: Asked) -> PolicyCase:
    return PolicyCase(
        resource=resource,
        raw=raw,
        namespace=namespace,
        view=view,
        today=asked.today,
        operation=asked.operation,
        name=asked.name,
        kind=asked.kind,
        api_resource=asked.resource,
        request_kind=asked.request_kind,
        old=asked.old,
        requester=asked.requester,
        dry_run=asked.dry_run,
        options=asked.options,
    )


def judged_by(shelf: Shelf, case: PolicyCase, trace: Trace | None = None) -> Judgement:
    """Return what the policies that concern the object say of it."""
    return judge_concerned(shelf.concerning(case.resource, case.namespace, case.namespace_labels()), case, trace)


def all_judged_by(shelf: Shelf, cases: Iterable[PolicyCase], trace: Trace | None = None) -> Judgement:
    """Return what the policies say of several objects together."""
    findings: list[Finding] = []
    audit: dict[str, str] = {}
    outcomes: list[tuple[str, Outcome]] = []
    for case in cases:
        said = judged_by(shelf, case, trace)
        findings += said.findings
        audit |= said.audit
        outcomes += said.outcomes
    return Judgement(in_order(findings), audit, tuple(outcomes))


def defaults_by(shelf: Shelf, case: PolicyCase) -> Defaulted:
    """Return the defaults that the policies give the object."""
    return defaulted(shelf.concerning(case.resource, case.namespace, case.namespace_labels()), case)


def shelf_of(view: ClusterView) -> Shelf:
    """Return the policies of a view that does not change."""
    return PolicyBook().of(view)


@dataclass(frozen=True, slots=True)
class Policing:
    """The policies in use and the day on which they judge; `trace` is told every expression."""

    shelf: Shelf
    today: date
    trace: Trace | None = None

    def asked(self, review: Review) -> Asked:
        """Return who asks what in a review, today."""
        return asked_in(review, self.today)

    def judged(self, *cases: PolicyCase) -> Judgement:
        """Return what the policies say of the objects together."""
        return all_judged_by(self.shelf, cases, self.trace)

    def defaults(self, case: PolicyCase) -> Defaulted:
        """Return the defaults that the policies give the object."""
        return defaults_by(self.shelf, case)


UNPOLICED: Final = Policing(Shelf(), date.min)
"""No policies at all."""
