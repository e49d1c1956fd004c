"""An audit as PolicyReport objects (wgpolicyk8s.io/v1alpha2): one a namespace, and one for what is in none."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass

from webhook.core.errors import ClusterUnavailableError
from webhook.core.raw import RawObject
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, ForbiddenError, GarbledError, NotFoundError, path_of
from webhook.kube.kinds import Kind
from webhook.policy.audit import Audit, Entry, Result
from webhook.settings import Settings

GROUP = "wgpolicyk8s.io"
VERSION = "v1alpha2"
NAME = "drawbridge"
MANAGER = "drawbridge-policies-audit"
LEFT_OUT = "drawbridge.dev/results-left-out"
"""The annotation that says how many results did not fit."""
_LABELS = {"app.kubernetes.io/managed-by": "drawbridge"}
_SELECTOR = ",".join(f"{key}={value}" for key, value in _LABELS.items())
_ENDING = "because it is being terminated"
_MOST_RESULTS = 1000  # of some 600 bytes each: an object may have 1.5 MiB in etcd

REPORTS = Kind(GROUP, (VERSION,), "policyreports", "PolicyReport", True, "", lambda raw, _: raw)
CLUSTER_REPORTS = Kind(GROUP, (VERSION,), "clusterpolicyreports", "ClusterPolicyReport", False, "", lambda raw, _: raw)


def policy_reports(audit: Audit) -> Iterator[RawObject]:
    """Yield the reports: all results are counted, those that are not as a policy asks are told."""
    of_namespace: dict[str, list[Entry]] = {}
    for entry in audit.entries:
        of_namespace.setdefault(entry.subject.namespace, []).append(entry)
    for namespace in audit.namespaces():
        entries = of_namespace.get(namespace, [])
        kind = REPORTS if namespace else CLUSTER_REPORTS
        metadata: dict[str, object] = {"name": NAME, "labels": _LABELS}
        if namespace:
            metadata["namespace"] = namespace
        if len(entries) > _MOST_RESULTS:
            metadata["annotations"] = {LEFT_OUT: str(len(entries) - _MOST_RESULTS)}
        counted = audit.summary(namespace=namespace)
        yield {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kind.name,
            "metadata": metadata,
            "summary": {result.value: counted[result] for result in Result},
            "results": [_result(entry) for entry in entries[:_MOST_RESULTS]],
        }


def _result(entry: Entry) -> RawObject:
    subject = entry.subject
    fields = {
        "apiVersion": subject.api_version,
        "kind": subject.kind,
        "namespace": subject.namespace,
        "name": subject.name,
        "uid": subject.uid,
    }
    return {
        "source": "drawbridge",
        "policy": entry.policy,
        "result": entry.result.value,
        "message": entry.message,
        "resources": [{name: value for name, value in fields.items() if value}],
        "properties": {"field": str(entry.findings[0].path)} if entry.findings else {},
    }


@dataclass(frozen=True, slots=True)
class Written:
    """How many reports were written, and how many of an earlier audit were removed."""

    written: int
    removed: int


def write_reports(audit: Audit, settings: Settings) -> Written:
    """Write the reports by server-side apply and remove those of namespaces that no policy looks at any more.

    ClusterUnavailableError where the cluster has no such kind, or does not allow it.
    """
    return asyncio.run(_written(audit, settings))


async def _written(audit: Audit, settings: Settings) -> Written:
    try:
        async with ApiClient(load_access(settings.kubeconfig, settings.context)) as api:
            removed = await _remove_others(api, {*audit.namespaces()})
            return Written(sum([await _write(api, report) for report in policy_reports(audit)]), removed)
    except NotFoundError as error:
        missing = f"no PolicyReport can be written: the cluster does not serve {GROUP}/{VERSION}; install its CRDs"
        raise ClusterUnavailableError(missing) from error
    except (ApiError, GarbledError) as error:
        raise ClusterUnavailableError(f"a PolicyReport could not be written: {error}") from error


async def _write(api: ApiClient, report: RawObject) -> bool:
    """Write a report; False where its namespace is gone or about to go, and the report would go with it."""
    try:
        await api.apply(_path(str(report["metadata"].get("namespace", ""))), report, manager=MANAGER, force=True)
    except NotFoundError:
        return False
    except ForbiddenError as error:
        if _ENDING not in str(error):
            raise
        return False
    return True


async def _remove_others(api: ApiClient, namespaces: set[str]) -> int:
    removed = 0
    for kind in (REPORTS, CLUSTER_REPORTS):
        found = await api.get(path_of(kind), labelSelector=_SELECTOR)
        for report in found.get("items") or ():
            namespace = report["metadata"].get("namespace", "")
            if report["metadata"]["name"] == NAME and namespace not in namespaces:
                await api.delete(_path(namespace))
                removed += 1
    return removed


def _path(namespace: str) -> str:
    return path_of(REPORTS if namespace else CLUSTER_REPORTS, namespace, NAME)
