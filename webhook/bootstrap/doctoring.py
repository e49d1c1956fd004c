"""Joins settings, a live cluster and what is shipped into one examination of our own installation."""

import asyncio
from datetime import UTC, datetime
from importlib.metadata import version

from certs.dial import refuses, served_certificate
from webhook.core.errors import ClusterUnavailableError
from webhook.doctor.diagnosis import Diagnosis
from webhook.doctor.examine import examine
from webhook.kube.access import Access, load_access
from webhook.kube.client import ApiClient, ApiError, GarbledError
from webhook.kube.examining import Examination
from webhook.kube.installation import Installation
from webhook.kube.shipped_installation import shipped_for
from webhook.settings import Settings

_LONGEST_CALL_SECONDS = 40.0
"""Longer than the 30 s that the API server gives a webhook at most, so that it is the one who tells."""


def diagnoses(settings: Settings) -> tuple[Diagnosis, ...]:
    """Return what is found; SettingsError without a cluster, ClusterUnavailableError where it cannot be asked."""
    return asyncio.run(_diagnosed(settings, load_access(settings.kubeconfig, settings.context)))


async def _diagnosed(settings: Settings, access: Access) -> tuple[Diagnosis, ...]:
    installation = Installation(settings.own_namespace, settings.installation_name)
    async with ApiClient(access, timeout_seconds=_LONGEST_CALL_SECONDS) as api:
        examination = Examination(
            api,
            installation,
            shipped_for(installation),
            dial=served_certificate,
            refuses=refuses,
            now=lambda: datetime.now(UTC),
            namespace=settings.namespace,
            version=version("drawbridge"),
        )
        try:
            return examine(await examination.facts())
        except (ApiError, GarbledError) as error:
            raise ClusterUnavailableError(f"the cluster cannot be examined: {error}") from error
