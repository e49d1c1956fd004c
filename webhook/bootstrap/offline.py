"""The rules over files: what `drawbridge check` and its kin judge by."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from webhook.bootstrap.offline_quota import OfflineQuotas
from webhook.core.claims import CLAIM, GROUP, TEMPLATE, parse_claim
from webhook.core.cluster import ClusterView
from webhook.core.devices import CLASS, parse_device_class
from webhook.core.finding import Finding, Severity, in_order
from webhook.core.raw import EMPTY, RawObject
from webhook.core.render import Style
from webhook.endpoints import CONFIG_KINDS, OWN_GROUP, Rulebook, pods_in
from webhook.inventory.case import Case
from webhook.kube.folder import load_folder
from webhook.kube.kinds import kind_of, projected
from webhook.kube.manifests import Problem
from webhook.rules import COMPILING, OFFLINE, SCHEMA, Severities, judged
from webhook.rules.invalid_field import invalid
from webhook.settings import Settings

_CLUSTER_SCOPED = frozenset(
    {
        CLASS,
        "ResourceSlice",
        "Node",
        "Namespace",
        "ClusterDeviceQuota",
        "LegacyMapping",
        "ClaimPolicy",
        "DeviceInventory",
    }
)


@dataclass(frozen=True, slots=True)
class Offline:
    """The rules over a cluster that is overlaid by the documents that are judged."""

    view: ClusterView
    rulebook: Rulebook
    settings: Settings
    quotas: OfflineQuotas
    problems: tuple[Problem, ...] = ()

    def findings(self, raw: RawObject) -> tuple[Finding, ...]:
        """Return what is found in one object; nothing for a kind that is none of ours."""
        group, name = _group_and_kind(raw)
        if group == GROUP and name in (CLAIM, TEMPLATE):
            claim = parse_claim(raw)
            claim = replace(claim, metadata=replace(claim.metadata, namespace=self.namespace_of(raw)))
            found = self._judged(Case(claim, claim.metadata.namespace, self.view))
            if not any(finding.severity is Severity.DENY for finding in self.applied(found)):
                said = self.quotas.findings(claim) if name == CLAIM else self.quotas.early(claim)
                found = in_order((*found, *said))
        elif group == GROUP and name == CLASS:
            found = self._judged(Case(parse_device_class(raw), "", self.view))
        elif (pods := pods_in(raw, self.namespace_of(raw), self.view)) is not None:
            found = in_order((*pods.findings, *invalid(pods.case.pod.misfits), *self.quotas.of_pods(pods, raw)))
        elif group == OWN_GROUP and name in CONFIG_KINDS:
            found = in_order(invalid(CONFIG_KINDS[name](raw).misfits))
        else:
            found = ()
        return tuple(self.applied(found))

    def applied(self, findings: Iterable[Finding]) -> Iterator[Finding]:
        return self.rulebook.severities.applied(findings, server=False)

    def _judged(self, case: Case) -> tuple[Finding, ...]:
        return in_order(judged(case, (*COMPILING, *SCHEMA, *OFFLINE)))

    def namespace_of(self, raw: RawObject) -> str:
        """Return the object's namespace, the default one where it says none; empty for kinds that live in none."""
        metadata = raw.get("metadata")
        named = metadata.get("namespace") if isinstance(metadata, dict) else None
        if _group_and_kind(raw)[1] in _CLUSTER_SCOPED:
            return ""
        return named if isinstance(named, str) and named else self.settings.namespace

    def style(self, *, reference_text: bool = False) -> Style:
        return Style(self.settings.docs_url, reference_text)


def rulebook_of(settings: Settings) -> Rulebook:
    return Rulebook(Severities(settings.severities()), settings.own_namespace)


def offline(settings: Settings, documents: Sequence[RawObject]) -> Offline:
    """Return the rules over the cluster of the settings, overlaid by the documents.

    SettingsError where a folder does not exist, ClusterUnavailableError where a live cluster cannot be read.
    """
    stored, problems = cluster_of(settings)
    view, rulebook = _overlaid(stored, documents, settings.namespace), rulebook_of(settings)
    return Offline(view, rulebook, settings, OfflineQuotas(stored, view, rulebook.exempt), problems)


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
        drivers=settings.stated_drivers(),
    )
    return replace(view, given=bool(settings.cluster)), problems


def _overlaid(view: ClusterView, documents: Iterable[RawObject], namespace: str) -> ClusterView:
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
        fields.setdefault(kind.field, {})[found.key] = found.value
    merged: Mapping[str, Mapping[object, object]] = {
        name: {**getattr(view, name), **objects} for name, objects in fields.items()
    }
    return replace(view, **merged)  # type: ignore[arg-type]  # each field holds what its kind projects to


def _group_and_kind(raw: RawObject) -> tuple[str, str]:
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    group = api_version.rpartition("/")[0] if isinstance(api_version, str) else ""
    return group, kind if isinstance(kind, str) else ""
