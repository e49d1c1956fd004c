"""A cluster as one file: the objects that Drawbridge reads, and what the server says of itself.

Of workloads that ask for extended resources it has what `drawbridge migrate plan` looks at: no environment, no command.
"""

import asyncio
import json
from typing import Any

from webhook.bootstrap.workloads import kept, listed_workloads
from webhook.core.errors import ClusterUnavailableError, SettingsError
from webhook.core.raw import RawObject
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, GarbledError, NotFoundError, path_of
from webhook.kube.gates import SNAPSHOT, ServerNote, parse_note
from webhook.kube.inputs import read_sources
from webhook.kube.kinds import KINDS, OWN_GROUP, OWN_VERSION, Kind, kind_of
from webhook.kube.manifests import read_documents
from webhook.kube.server_truth import ask_gates, ask_version
from webhook.settings import Settings

_PAGE = 500


def snapshot(settings: Settings) -> dict[str, Any]:
    """Return a List of every object that Drawbridge reads, its first item what the server says of itself.

    ClusterUnavailableError where a live cluster cannot be read, SettingsError where a folder cannot.
    """
    if settings.kubeconfig is not None and not settings.cluster:
        return asyncio.run(_of_live(settings))
    missing = tuple(f"--cluster: '{path}' does not exist" for path in settings.cluster if not path.exists())
    if missing:
        raise SettingsError(missing)
    found = (read_documents(name, content)[0] for name, content in read_sources(map(str, settings.cluster)))
    objects = [document.raw for documents in found for document in documents]
    note = next((parse_note(raw) for raw in objects if raw.get("kind") == SNAPSHOT), ServerNote())
    version = settings.kubernetes_version or note.version
    return _list(
        version,
        {**note.gates, **settings.feature_gates},
        [*(raw for raw in objects if kind_of(raw) is not None), *kept(objects)],
    )


async def _of_live(settings: Settings) -> dict[str, Any]:
    try:
        async with ApiClient(load_access(settings.kubeconfig, settings.context)) as api:
            objects = [raw for kind in KINDS for raw in await listed(api, kind)]
            objects += await listed_workloads(api)
            version = settings.kubernetes_version or await ask_version(api)
            return _list(version, {**await ask_gates(api), **settings.feature_gates}, objects)
    except (ApiError, GarbledError) as error:
        raise ClusterUnavailableError(f"the cluster could not be read: {error}") from error


async def listed(api: ApiClient, kind: Kind) -> list[RawObject]:
    """Return the objects of a kind; none where the server does not have it."""
    found: list[RawObject] = []
    try:
        version = await api.served_version(kind)
        go_on = ""
        while True:
            page = await api.page(path_of(kind, version=version), limit=_PAGE, go_on=go_on)
            found += [_bare(json.loads(item), kind, version) for item in page.items]
            go_on = page.go_on
            if not go_on:
                return found
    except NotFoundError:
        return []


def _bare(raw: RawObject, kind: Kind, version: str) -> RawObject:
    """Return the object with its kind, which items of a list lack, and without the record of who wrote which field."""
    metadata = {name: value for name, value in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "apiVersion": kind.api_version(version), "kind": kind.name, "metadata": metadata}


def _list(version: str | None, gates: dict[str, bool], objects: list[RawObject]) -> dict[str, Any]:
    told = {
        "apiVersion": f"{OWN_GROUP}/{OWN_VERSION}",
        "kind": SNAPSHOT,
        "kubernetesVersion": version,
        "featureGates": gates,
    }
    return {"apiVersion": "v1", "kind": "List", "items": [told, *objects]}
