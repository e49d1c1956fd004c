"""What tests do to etcd behind the API server's back, by its JSON gateway."""

import json
import urllib.request
from typing import Any

from tests.controlplane.cluster import ControlPlane


def compact(cluster: ControlPlane) -> None:
    """Let etcd forget all but the newest revision, as the API server has it do every five minutes."""
    revision = _ask(cluster, "kv/range", {"key": "AA=="})["header"]["revision"]
    _ask(cluster, "kv/compaction", {"revision": revision, "physical": True})


def _ask(cluster: ControlPlane, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{cluster._etcd_port}/v3/{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
