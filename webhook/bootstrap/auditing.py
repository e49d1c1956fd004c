"""Policies over the objects of a cluster or folder: claims, claim templates, device classes, and pods with devices."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date

from webhook.bootstrap.offline import rulebook_of
from webhook.bootstrap.snapshot import listed
from webhook.core.claims import Claim, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import parse_device_class
from webhook.core.errors import ClusterUnavailableError
from webhook.core.pods import POD
from webhook.core.raw import RawObject
from webhook.core.review import Resource
from webhook.endpoints import validate_claims
from webhook.inventory.case import Case
from webhook.inventory.pod_case import pod_case
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.gates import SNAPSHOT
from webhook.kube.inputs import read_sources
from webhook.kube.kinds import CLAIMS, DEVICE_CLASSES, TEMPLATES, Kind, kind_of
from webhook.kube.manifests import read_documents
from webhook.policy.audit import Audit, subject_of
from webhook.policy.book import Shelf
from webhook.policy.case import PolicyCase
from webhook.policy.cases import Asked, all_judged_by, asked_of_file, of_dra, of_pods
from webhook.policy.compile import CompiledPolicy
from webhook.settings import Settings

PODS = Kind("", ("v1",), "pods", POD, True, "", lambda raw, _: raw)
AUDITED = (CLAIMS, TEMPLATES, DEVICE_CLASSES, PODS)
_OF_RULES = frozenset({"claim", "claim.findings"})

Watching = Callable[[Sequence[RawObject]], Iterable[RawObject]]
"""Passes the objects through, and may tell how far the work is."""


def existing_objects(settings: Settings) -> tuple[RawObject, ...]:
    """Return the objects to look at, of the folders or of the live cluster; ClusterUnavailableError, OSError.

    Of a saved snapshot pods are left out: it has no more than parts of them.
    """
    if settings.kubeconfig is not None and not settings.cluster:
        return asyncio.run(_of_live(settings))
    sources = read_sources(map(str, settings.cluster))
    return tuple(raw for name, content in sources for raw in _of_file(name, content))


def _of_file(name: str, content: bytes) -> Iterator[RawObject]:
    raws = [document.raw for document in read_documents(name, content)[0]]
    is_snapshot = any(raw.get("kind") == SNAPSHOT for raw in raws)
    for raw in raws:
        kind = _kind(raw)
        if kind is not None and not (is_snapshot and kind is PODS):
            yield raw


async def _of_live(settings: Settings) -> tuple[RawObject, ...]:
    try:
        async with ApiClient(load_access(settings.kubeconfig, settings.context)) as api:
            return tuple([raw for kind in AUDITED for raw in await listed(api, kind)])
    except (ApiError, GarbledError) as error:
        raise ClusterUnavailableError(f"the objects of the cluster could not be read: {error}") from error


def _kind(raw: RawObject) -> Kind | None:
    if raw.get("kind") == POD and raw.get("apiVersion") == "v1":
        return PODS
    kind = kind_of(raw)
    return kind if kind in AUDITED else None


def audited(
    policies: Sequence[CompiledPolicy],
    objects: Sequence[RawObject],
    view: ClusterView,
    settings: Settings,
    today: date,
    watching: Watching = lambda listed: listed,
) -> Audit:
    """Return what the policies say of the objects, each as if nobody in particular created it today."""
    shelf = Shelf(tuple(sorted(policies, key=lambda one: one.policy.name)))
    audit = Audit(shelf.policies)
    rulebook = rulebook_of(settings)
    with_findings = any(_OF_RULES & one.words for one in policies)
    for raw in watching(objects):
        kind = _kind(raw)
        namespace = _namespace(raw, settings) if kind is not None and kind.namespaced else ""
        if kind is None or rulebook.exempt(namespace):
            continue
        cases = tuple(_cases(raw, kind, namespace, view, today))
        if with_findings and kind is not PODS:
            cases = tuple(
                replace(one, findings=validate_claims(_case(raw, kind, namespace, view), rulebook)) for one in cases
            )
        if cases:
            said = all_judged_by(shelf, cases)
            applied = tuple(rulebook.severities.applied(said.findings))
            audit.add(subject_of(raw, namespace), replace(said, findings=applied))
    return audit


def _namespace(raw: RawObject, settings: Settings) -> str:
    metadata = raw.get("metadata")
    named = metadata.get("namespace") if isinstance(metadata, dict) else None
    return named if isinstance(named, str) and named else settings.namespace


def _cases(raw: RawObject, kind: Kind, namespace: str, view: ClusterView, today: date) -> Iterator[PolicyCase]:
    """Yield the case of an object; none of a pod that asks for no devices."""
    asked = _asked(raw, kind, today)
    if kind is not PODS:
        yield of_dra(_case(raw, kind, namespace, view), asked)
        return
    pod = pod_case(raw, namespace, view)
    if pod is None:
        return
    asks = any("/" in name for container in pod.pod.containers for name in container.limits)
    if pod.pod.claims or asks:
        yield from of_pods(pod, raw, asked)


def _asked(raw: RawObject, kind: Kind, today: date) -> Asked:
    asked = asked_of_file(raw, today)
    return replace(asked, resource=Resource(asked.kind.group, asked.kind.version, kind.plural))


def _case(raw: RawObject, kind: Kind, namespace: str, view: ClusterView) -> Case:
    if kind is DEVICE_CLASSES:
        return Case(parse_device_class(raw), "", view, raw=raw)
    claim: Claim = parse_claim(raw)
    claim = replace(claim, metadata=replace(claim.metadata, namespace=namespace))
    return Case(claim, namespace, view, raw=raw)
