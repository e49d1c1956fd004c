"""What tests do to etcd behind the API server's back, by its JSON gateway."""

import base64
import json
import urllib.request
from typing import Any

from tests.controlplane.cluster import ControlPlane


def compact(cluster: ControlPlane) -> None:
    """Let etcd forget all but the newest revision, as the API server has it do every five minutes."""
    _ask(cluster, "kv/compaction", {"revision": revision(cluster), "physical": True})


def revision(cluster: ControlPlane) -> str:
    """Return the number of the latest write."""
    return str(_ask(cluster, "kv/range", {"key": _key("\0")})["header"]["revision"])


def written_since(cluster: ControlPlane, revision: str) -> list[str]:
    """Return the keys of all objects that have been written since; how clocks and leaders live is left out."""
    later = {**_OBJECTS, "min_mod_revision": str(int(revision) + 1), "keys_only": True}
    keys = (base64.b64decode(each["key"]).decode() for each in _ask(cluster, "kv/range", later).get("kvs", ()))
    return [key for key in keys if not key.startswith(_PULSES)]


def _key(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


_OBJECTS = {"key": _key("/registry/"), "range_end": _key("/registry0")}
_PULSES = ("/registry/leases/", "/registry/masterleases/", "/registry/peerserverleases/")


def _ask(cluster: ControlPlane, path: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{cluster._etcd_port}/v3/{path}",
        json.dumps(body).encode(),
        {"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)
