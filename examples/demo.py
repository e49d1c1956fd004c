"""`make demo`: four decisions over HTTPS by a real server, which needs no Kubernetes: it serves from a folder.

What the API server would send is sent here: an AdmissionReview to the mutating endpoint, then to the validating one.
"""

import base64
import difflib
import json
import re
import signal
import ssl
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import yaml

from webhook.core.patch import Operation, apply

HERE = Path(__file__).parent
DRAWBRIDGE = Path(sys.executable).with_name("drawbridge")
TEMPLATES = "templates"
RESOURCES = {"ResourceClaim": "resourceclaims", "ResourceClaimTemplate": "resourceclaimtemplates", "Pod": "pods"}

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Server:
    """Where it listens, and the CA that its certificate is verified by."""

    address: str
    tls: ssl.SSLContext

    def ask(self, endpoint: str, manifest: Json) -> Json:
        """Return the response to a review of the object's creation."""
        connection = HTTPSConnection(self.address, context=self.tls, timeout=10)
        try:
            body = json.dumps(review_of(manifest))
            connection.request("POST", endpoint, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        if reply.status != 200:
            raise SystemExit(f"demo: {endpoint} answered {reply.status}: {text.decode()}")
        response: Json = json.loads(text)["response"]
        return response


def review_of(manifest: Json) -> Json:
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = {**manifest["metadata"], "uid": str(uuid.uuid4())}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": group, "version": version, "kind": manifest["kind"]},
        "resource": {"group": group, "version": version, "resource": RESOURCES[manifest["kind"]]},
        "name": metadata["name"],
        "namespace": metadata["namespace"],
        "operation": "CREATE",
        "userInfo": {"username": "demo"},
        "object": {**manifest, "metadata": metadata},
        "dryRun": False,
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


@contextmanager
def running_server(folder: Path) -> Iterator[Server]:
    """Start `drawbridge serve` on free ports, and end it as a kubelet does: by SIGTERM."""
    command = [str(DRAWBRIDGE), "serve", "--cluster", str(HERE / "cluster"), "--cert-dir", str(folder)]
    command += ["--ledger", str(folder / "ledger.sqlite"), "--write-templates", str(folder / TEMPLATES)]
    command += ["--port", "0", "--health-port", "0", "--drain-seconds", "0"]
    with (folder / "server.log").open("w+") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)  # noqa: S603 - our own
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            found = re.search(r"serving on https://(\S+),", line)
            if not found:
                raise SystemExit(f"demo: the server did not start: {line}{(folder / 'server.log').read_text()}")
            print(line.rstrip())
            yield Server(found[1], ssl.create_default_context(cafile=str(folder / "ca.crt")))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=20)
            if process.stdout is not None:
                process.stdout.close()


def show(number: int, title: str, file: str) -> Json:
    """Print what is asked, and return it."""
    print(f"\n{number}. {title}\n   examples/{file}\n")
    manifest: Json = yaml.safe_load((HERE / file).read_text())
    return manifest


def tell(response: Mapping[str, Any]) -> None:
    """Print a decision as its author would read it."""
    if response["allowed"]:
        print("   allowed")
    else:
        status = response["status"]
        print(f"   denied ({status['code']} {status['reason']})\n")
        print(indented(status["message"]))
    for warning in response.get("warnings") or ():
        print(f"   warning: {warning}")


def indented(text: str) -> str:
    return "\n".join(f"   {line}" for line in text.splitlines())


def decide_claim(server: Server, manifest: Json) -> Json:
    """Ask both endpoints, as the API server does; the first refusal is the answer."""
    response = server.ask("/mutate/claims", manifest)
    return server.ask("/validate/claims", manifest) if response["allowed"] else response


def rewritten(manifest: Json, response: Json) -> Json:
    operations = json.loads(base64.b64decode(response["patch"]))
    result: Json = apply(manifest, [Operation(o["op"], o["path"], o.get("value")) for o in operations])
    return result


def diff(before: Json, after: Json) -> str:
    old, new = (yaml.safe_dump(manifest, sort_keys=False, width=150).splitlines() for manifest in (before, after))
    lines = difflib.unified_diff(old, new, "as written", "as stored", lineterm="", n=100)
    return indented("\n".join(line for line in lines if not line.startswith("@@")))


def main() -> None:
    """Run the four decisions."""
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as server:
        claim = show(1, "A claim for a small MIG device", "claims/good.yaml")
        tell(decide_claim(server, claim))

        claim = show(2, "A claim that misspells an attribute", "claims/misspelt-attribute.yaml")
        tell(decide_claim(server, claim))

        claim = show(3, "A claim for more GPU memory than its namespace may have", "claims/over-memory-quota.yaml")
        tell(decide_claim(server, claim))

        pod = show(4, "A pod that asks for GPUs the old way", "pods/legacy.yaml")
        response = server.ask("/mutate/pods", pod)
        tell(response)
        print(f"   and rewritten:\n\n{diff(pod, rewritten(pod, response))}")
        print("\n   The template that it refers to, which the controller makes in a cluster:\n")
        for file in sorted((Path(folder) / TEMPLATES).iterdir()):
            print(indented(file.read_text()))


if __name__ == "__main__":
    main()
