"""The rules over files: what `drawbridge check` and its kin judge by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from webhook.core.claims import CLAIM, GROUP, TEMPLATE, Claim, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import CLASS, parse_device_class, parse_slice
from webhook.core.finding import Finding, Severity, in_order
from webhook.core.pods import POD, pod_template
from webhook.core.raw import EMPTY, RawObject
from webhook.core.render import Style
from webhook.core.shapes import SLICE
from webhook.inventory.case import Case
from webhook.kube.folder import load_folder
from webhook.kube.kinds import OWN_GROUP, kind_of, projected
from webhook.kube.manifests import Problem
from webhook.rules import (
    CLASS_CHANGES,
    COMPILING,
    OFFLINE,
    SCHEMA,
    SERVER_TRUTH,
    VERSIONS,
    Rulebook,
    Severities,
    invalid_field,
    judged,
    pod_unknown_claim,
    pod_unknown_template,
    pod_unused_claim,
    request_unknown_class,
    unknown_field,
    version_not_served,
)
from webhook.rules.invalid_field import invalid, structural
from webhook.settings import Settings

if TYPE_CHECKING:
    from webhook.bootstrap.offline_quota import OfflineQuotas
    from webhook.endpoints import Pods
    from webhook.policy.cases import Policing

_ABSENT = (request_unknown_class.NAME, pod_unknown_template.NAME, pod_unknown_claim.NAME)
_NAMING = ("claims", "resourceClaims")  # fields by which a container would name claims


@dataclass(frozen=True)
class Offline:
    """The rules over a cluster as it is stored, and as it is with the documents that are judged.

    What only pods, quotas and our own kinds need is imported for them alone: a check of one claim starts sooner.
    """

    stored: ClusterView
    view: ClusterView
    rulebook: Rulebook
    settings: Settings
    problems: tuple[Problem, ...] = ()

    @cached_property
    def quotas(self) -> "OfflineQuotas":
        from webhook.bootstrap.offline_quota import OfflineQuotas

        return OfflineQuotas(self.stored, self.view, self.rulebook)

    @cached_property
    def policing(self) -> "Policing":
        from webhook.policy.cases import Policing, shelf_of

        return Policing(shelf_of(self.view), datetime.now(UTC).date())

    def findings(self, raw: RawObject) -> tuple[Finding, ...]:
        """Return what is found in one object; nothing for a kind that is none of ours."""
        unknown = tuple(unknown_field.findings(raw, exact=self.view.server.exact))
        rest = tuple(_of_one_cause((*self._of_kind(raw), *structural(raw))))
        told = (*unknown, *(finding for finding in rest if finding.rule == invalid_field.NAME and finding.path.steps))
        found = (finding for finding in rest if not _explained(finding, told))
        return tuple(self.applied(in_order((*unknown, *found))))

    def _of_kind(self, raw: RawObject) -> tuple[Finding, ...]:
        """Return what the rules for its kind find in an object."""
        group, name = _group_and_kind(raw)
        if group == GROUP and name in (CLAIM, TEMPLATE):
            return self._of_claim(raw, name)
        if group == GROUP and name == CLASS:
            found = parse_device_class(raw)
            before = self.stored.device_classes.get(found.name)
            return self._with_policies(Case(found, "", self.view, raw=raw, before=before))
        if group == GROUP and name == SLICE:
            return tuple(invalid(parse_slice(raw).misfits))
        if pod_template(raw) is not None:
            return self._of_pods(raw)
        if group == OWN_GROUP:
            from webhook.endpoints import config_findings

            return config_findings(raw, name, self.view, datetime.now(UTC).date())
        return tuple(version_not_served.unknown_kinds(raw))

    def _of_pods(self, raw: RawObject) -> tuple[Finding, ...]:
        from webhook.endpoints import pods_in

        pods = pods_in(raw, self.namespace_of(raw), self.view)
        if pods is None:
            return ()
        found = (*pods.findings, *self._policies_of_pods(pods, raw))
        return (*found, *invalid(pods.case.pod.misfits), *self.quotas.of_pods(pods, raw))

    def _policies_of_pods(self, pods: "Pods", raw: RawObject) -> tuple[Finding, ...]:
        if not self.view.policies or self.rulebook.exempt(pods.case.namespace):
            return ()
        from webhook.policy.cases import asked_of_file, of_pods

        cases = of_pods(pods.case, raw, asked_of_file(raw, self.policing.today), pods.findings)
        found = self.policing.judged(*cases).findings
        is_pod = raw.get("kind") == POD
        return found if is_pod else tuple(finding.lowered(Severity.WARN) for finding in found)

    def _of_claim(self, raw: RawObject, kind: str) -> tuple[Finding, ...]:
        """Return what is found in a claim or template; one that is refused takes nothing of a quota."""
        claim = parse_claim(raw)
        claim = replace(claim, metadata=replace(claim.metadata, namespace=self.namespace_of(raw)))
        found = self._with_policies(Case(claim, claim.metadata.namespace, self.view, raw=raw))
        refused = any(finding.severity is Severity.DENY for finding in self.applied(found))
        if refused or not self.view.quotas:
            return found
        return (*found, *(self.quotas.findings(claim) if kind == CLAIM else self.quotas.early(claim)))

    def _with_policies(self, case: Case) -> tuple[Finding, ...]:
        """Return what the rules find in a claim, template or class, and what policies say of it."""
        found = self._judged(case)
        if not self.view.policies or self.rulebook.exempt(case.namespace):
            return found
        from webhook.policy.cases import asked_of_file, of_dra

        asked = asked_of_file(case.raw, self.policing.today)
        return (*found, *self.policing.judged(of_dra(case, asked, found)).findings)

    def applied(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        return self.rulebook.severities.applied(findings, server=False)

    def _judged(self, case: Case) -> tuple[Finding, ...]:
        found = judged(case, (*COMPILING, *SERVER_TRUTH, *VERSIONS, *SCHEMA, *CLASS_CHANGES, *OFFLINE))
        if isinstance(case.subject, Claim) and case.subject.made_by_a_controller():
            return tuple(one if one.rule == invalid_field.NAME else one.lowered(Severity.WARN) for one in found)
        return found

    def namespace_of(self, raw: RawObject) -> str:
        """Return the object's namespace, the default one where it says none; empty for kinds that live in none."""
        metadata = raw.get("metadata")
        named = metadata.get("namespace") if isinstance(metadata, dict) else None
        kind = kind_of(raw)
        if kind is not None and not kind.namespaced:
            return ""
        return named if isinstance(named, str) and named else self.settings.namespace

    def style(self, *, reference_text: bool = False) -> Style:
        return Style(self.settings.docs_url, reference_text)


def _of_one_cause(findings: Iterable[Finding]) -> Iterator[Finding]:
    """Yield the findings; a name that the API server refuses, and so nothing has, is told once, with what is meant."""
    listed = tuple(findings)
    refused = {finding.path for finding in listed if finding.rule == invalid_field.NAME}
    meant = {finding.path: finding for finding in listed if finding.rule in _ABSENT}
    for finding in listed:
        if finding.rule == invalid_field.NAME and finding.path in meant:
            better = tuple(fix for fix in meant[finding.path].fixes if fix.edits)
            yield replace(finding, fixes=better or finding.fixes)
        elif finding.rule not in _ABSENT or finding.path not in refused:
            yield finding


def _explained(finding: Finding, told: Iterable[Finding]) -> bool:
    """Return whether a field at the wrong place is the reason of a finding: what it should have set, or named."""
    if finding.rule == invalid_field.NAME:
        return any(
            finding.path == field.path.parent()
            or any(finding.path == edit.path for fix in field.fixes for edit in fix.edits)
            for field in told
            if field.rule == unknown_field.NAME
        )
    if finding.rule == pod_unused_claim.NAME:
        return any(field.path.steps[-1] in _NAMING or field.path.steps[-2:-1] == ("claims",) for field in told)
    return False


def rulebook_of(settings: Settings) -> Rulebook:
    return Rulebook(Severities(settings.rules), settings.own_namespace)


def offline(settings: Settings, documents: Sequence[RawObject]) -> Offline:
    """Return the rules over the cluster of the settings, overlaid by the documents.

    SettingsError where a folder does not exist, ClusterUnavailableError where a live cluster cannot be read.
    """
    stored, problems = cluster_of(settings)
    view, rulebook = overlaid(stored, documents, settings.namespace), rulebook_of(settings)
    return Offline(stored, view, rulebook, settings, problems)


def cluster_of(settings: Settings) -> tuple[ClusterView, tuple[Problem, ...]]:
    """Return the view of the folders, or of the live cluster, that the settings name, and what was broken in it."""
    if settings.kubeconfig is not None and not settings.cluster:
        from webhook.bootstrap.live import view_of_live

        return view_of_live(settings), ()
    view, problems = load_folder(
        settings.cluster,
        kubernetes_version=settings.kubernetes_version,
        feature_gates=settings.feature_gates,
        namespace=settings.namespace,
        drivers=settings.drivers,
    )
    return replace(view, given=bool(settings.cluster)), problems


def overlaid(view: ClusterView, documents: Iterable[RawObject], namespace: str) -> ClusterView:
    """Return the view with the documents in it, so that a pod and its template in one file see each other."""
    fields: dict[str, dict[object, object]] = {}
    for raw in documents:
        kind = kind_of(raw)
        if kind is None or not kind.field:
            continue
        metadata = raw.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else EMPTY
        placed = {**raw, "metadata": {"namespace": namespace, **metadata}} if kind.namespaced else raw
        found = projected(placed, kind)
        if found.value is None:
            continue
        fields.setdefault(kind.field, {})[found.key] = found.value
    merged: Mapping[str, Mapping[object, object]] = {
        name: {**getattr(view, name), **objects} for name, objects in fields.items()
    }
    return replace(view, **merged)  # type: ignore[arg-type]  # each field holds what its kind projects to


def _group_and_kind(raw: RawObject) -> tuple[str, str]:
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    group = api_version.rpartition("/")[0] if isinstance(api_version, str) else ""
    return group, kind if isinstance(kind, str) else ""
