"""The workloads and autoscalers of a cluster, as far as a migration looks at them; of a folder or of a live cluster."""

import asyncio
import json
from collections.abc import Iterable, Iterator

from webhook.core.autoscalers import STATUS_NAME, STATUS_NAMESPACE, trimmed_autoscaler
from webhook.core.errors import ClusterUnavailableError
from webhook.core.raw import RawObject, Reader
from webhook.core.workloads import trimmed
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, ForbiddenError, GarbledError, NotFoundError, path_of
from webhook.kube.inputs import read_sources
from webhook.kube.kinds import Kind
from webhook.kube.manifests import read_documents
from webhook.settings import Settings

_PAGE = 500


def _kept(raw: RawObject, _: Reader) -> RawObject | None:
    return trimmed(raw) or trimmed_autoscaler(raw)


def _kind(group: str, plural: str, name: str, *, namespaced: bool = True) -> Kind:
    return Kind(group, ("v1",), plural, name, namespaced, "", _kept)


_CONFIG_MAPS = _kind("", "configmaps", "ConfigMap")
NODE_POOLS = _kind("karpenter.sh", "nodepools", "NodePool", namespaced=False)
WORKLOADS = (
    _kind("", "pods", "Pod"),
    _kind("", "replicationcontrollers", "ReplicationController"),
    _kind("apps", "replicasets", "ReplicaSet"),
    _kind("apps", "deployments", "Deployment"),
    _kind("apps", "statefulsets", "StatefulSet"),
    _kind("apps", "daemonsets", "DaemonSet"),
    _kind("batch", "jobs", "Job"),
    _kind("batch", "cronjobs", "CronJob"),
    NODE_POOLS,
)


def workloads_of(settings: Settings) -> tuple[RawObject, ...]:
    """Return what is kept of the workloads of the folders, or of the live cluster, that the settings name.

    ClusterUnavailableError where a live cluster cannot be read.
    """
    if settings.kubeconfig is not None and not settings.cluster:
        return asyncio.run(_of_live(settings))
    found = (read_documents(name, content)[0] for name, content in read_sources(map(str, settings.cluster)))
    return tuple(kept(document.raw for documents in found for document in documents))


def kept(objects: Iterable[RawObject]) -> Iterator[RawObject]:
    """Yield what a migration looks at of objects; of most, nothing."""
    for raw in objects:
        trimmed_object = _kept(raw, Reader())
        if trimmed_object is not None:
            yield trimmed_object


async def _of_live(settings: Settings) -> tuple[RawObject, ...]:
    try:
        async with ApiClient(load_access(settings.kubeconfig, settings.context)) as api:
            return await listed_workloads(api)
    except (ApiError, GarbledError) as error:
        raise ClusterUnavailableError(f"the workloads of the cluster could not be read: {error}") from error


async def listed_workloads(api: ApiClient) -> tuple[RawObject, ...]:
    """Return what is kept of the workloads of a live cluster, page by page, so that it never is in memory whole."""
    found = [raw for kind in WORKLOADS for raw in await _listed(api, kind)]
    try:
        status = await api.get(path_of(_CONFIG_MAPS, STATUS_NAMESPACE, STATUS_NAME))
    except (NotFoundError, ForbiddenError):
        return tuple(found)
    return (*found, *kept([status]))


async def _listed(api: ApiClient, kind: Kind) -> list[RawObject]:
    """Return what is kept of a kind; nothing where the server does not have it."""
    found: list[RawObject] = []
    go_on = ""
    try:
        while True:
            page = await api.page(path_of(kind), limit=_PAGE, go_on=go_on)
            typed = {"apiVersion": kind.api_version(kind.versions[0]), "kind": kind.name}
            found += kept({**json.loads(item), **typed} for item in page.items)
            go_on = page.go_on
            if not go_on:
                return found
    except NotFoundError:
        return []
    except ForbiddenError:
        if kind is NODE_POOLS:
            return []  # what labels of nodes tell is enough
        raise
