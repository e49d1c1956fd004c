"""Drawbridge before the control plane: the programs under their own rights, the webhooks of deploy/ pointed at them."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.installation import Installation
from tests.controlplane.objects import DEVICE_QUOTAS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks

# Shorter than a contract with a real cluster allows: nothing here takes the minute that an API server may take.
CONTROLLER_OPTIONS = ("--reservation-seconds", "4", "--template-grace-seconds", "2")


@dataclass(frozen=True, slots=True)
class Gate:
    """What the tests need to put Drawbridge before the API server of a cluster."""

    cluster: ControlPlane
    installation: Installation
    cert_dir: Path

    @property
    def ca_file(self) -> Path:
        """The `caBundle`."""
        return self.cert_dir / "ca.crt"

    def serve(self, *options: str, name: str = "serve") -> ServeProcess:
        """Start a replica; `wait_for("readiness", replica.is_ready)` waits until it has read the cluster."""
        kubeconfig = ["--kubeconfig", str(self.installation.serve_kubeconfig)]
        # The last of an option counts: a test may give a kubeconfig of its own.
        return ServeProcess(self.cluster.programs, [*kubeconfig, *options], name, self.cert_dir)

    def controller(self, *options: str, name: str = "controller") -> ControllerProcess:
        """Start a controller and wait until it leads; of an option given twice the last counts."""
        controller = ControllerProcess(
            self.cluster.programs, self.installation.controller_kubeconfig, (*CONTROLLER_OPTIONS, *options), name
        )
        controller.program.wait_for_output("^drawbridge: controller running")
        return controller

    @contextmanager
    def guarding(self, namespaces: str | Sequence[str], port: int) -> Iterator[None]:
        """Let the API server ask whoever listens at the port, about these namespaces, until the end of the block."""
        named = [namespaces] if isinstance(namespaces, str) else namespaces
        api, url = self.cluster.api, f"https://127.0.0.1:{port}"
        with installed_webhooks(api, self.installation.webhooks, url, self.ca_file, *named):
            wait_until_asked(api, named[0])
            yield


def wait_until_asked(api: Api, namespace: str) -> None:
    """Wait until the API server asks both webhook configurations; what shows it is not stored."""
    uncompilable = make_claim_object(namespace, "probe", make_exact_request(1, "any", "device.nothing"))
    wait_for("effect of the mutating webhooks", lambda: "cel-type" in denied_by(api, uncompilable))
    request = make_exact_request(1, "any")
    request["exactly"]["capacity"] = {"requests": {"memory": "-1"}}
    negative = make_claim_object(namespace, "probe", request)
    wait_for("effect of the validating webhooks", lambda: "request-capacity-negative" in denied_by(api, negative))


def denied_by(api: Api, claim: Json) -> set[str]:
    """Return the rules of ours that would deny a claim; it is not stored. ApiError where we could not be asked."""
    try:
        api.create(f"{claim['apiVersion']}/resourceclaims", claim, dry_run=True)
    except ApiError as error:
        if "failed calling webhook" in error.message:
            raise
        return set(re.findall(r"see: drawbridge rule ([\w-]+)", json.dumps(error.status)))
    return set()


def create_quota(api: Api, manifest: Json) -> None:
    """Create a quota and wait until the controller has opened its books."""
    metadata = api.create(DEVICE_QUOTAS, manifest)["metadata"]

    def opened() -> bool:
        status = quota_status(api, metadata["namespace"], metadata["name"])
        return bool(status.get("observedGeneration") == metadata["generation"])

    wait_for("books of the quota", opened)


def quota_status(api: Api, namespace: str, name: str = "gpus") -> Json:
    """What the quota says of itself; empty before the controller has seen it."""
    status: Json = api.get(DEVICE_QUOTAS, name, namespace).get("status", {})
    return status


def standing(api: Api, namespace: str, limit: str, name: str = "gpus") -> tuple[str, str]:
    """`used` and `reserved` of a limit."""
    [found] = [each for each in quota_status(api, namespace, name)["limits"] if each["name"] == limit]
    return found["used"], found["reserved"]
