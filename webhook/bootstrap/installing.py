"""Policies into a live cluster by server-side apply: what others have changed of them is not overwritten."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from webhook.core.errors import ClusterUnavailableError
from webhook.core.raw import RawObject
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient, ApiError, ConflictError, GarbledError, NotFoundError, path_of
from webhook.kube.kinds import POLICIES
from webhook.settings import Settings

MANAGER = "drawbridge-policies-install"


@dataclass(frozen=True, slots=True)
class Installed:
    """What became of a policy: created, changed or unchanged; else why it was refused."""

    name: str
    outcome: str
    refusal: str = ""


def install_policies(manifests: Iterable[RawObject], settings: Settings) -> tuple[Installed, ...]:
    """Apply the policies; ClusterUnavailableError where the cluster cannot be reached or has no such kind."""
    return asyncio.run(_installed(tuple(manifests), settings))


async def _installed(manifests: tuple[RawObject, ...], settings: Settings) -> tuple[Installed, ...]:
    try:
        async with ApiClient(load_access(settings.kubeconfig, settings.context)) as api:
            await api.page(path_of(POLICIES), limit=1)
            return tuple([await _applied(api, manifest) for manifest in manifests])
    except NotFoundError as error:
        missing = "the cluster has no ClaimPolicies: install the CRDs of Drawbridge first"
        raise ClusterUnavailableError(missing) from error
    except (ApiError, GarbledError) as error:
        raise ClusterUnavailableError(f"the policies could not be installed: {error}") from error


async def _applied(api: ApiClient, manifest: RawObject) -> Installed:
    name = str(manifest["metadata"]["name"])
    path = path_of(POLICIES, name=name)
    try:
        before = (await api.get(path))["metadata"]["resourceVersion"]
    except NotFoundError:
        before = ""
    try:
        after = (await api.apply(path, manifest, manager=MANAGER))["metadata"]["resourceVersion"]
    except ConflictError as error:
        return Installed(name, "refused", f"somebody has changed it there: {error}")
    except ApiError as error:
        if error.status in (400, 422):
            return Installed(name, "refused", str(error))
        raise
    if not before:
        return Installed(name, "created")
    return Installed(name, "unchanged" if after == before else "changed")
