"""Asks the API server for its version and its feature gates."""

import re
from collections.abc import Mapping

from webhook.core.versions import minor
from webhook.kube.client import ApiClient, ForbiddenError, NotFoundError

_GATE = re.compile(rb'^kubernetes_feature_enabled\{name="([A-Za-z0-9]+)",stage="[A-Z]*"\} ([01])(?:\.0)?$')


async def ask_version(api: ApiClient) -> str | None:
    """Return the server's version such as '1.36'; None where it says nothing that we understand."""
    told = await api.get("/version")
    version = f"{told.get('major')}.{told.get('minor')}"
    try:
        minor(version)
    except ValueError:
        return None
    return version


async def ask_gates(api: ApiClient) -> Mapping[str, bool]:
    """Return the gates by the server's own `kubernetes_feature_enabled` metric; none where we may not read it."""
    gates: dict[str, bool] = {}
    try:
        async for line in api.lines("/metrics"):
            told = _GATE.match(line)
            if told:
                gates[told[1].decode()] = told[2] == b"1"
            elif gates and not line.startswith(b"#"):
                break  # the family is over, and what follows may be megabytes
    except (ForbiddenError, NotFoundError):
        return {}
    return gates
