"""Drawbridge before the control plane: the programs under their own rights, the webhooks of deploy/ pointed at them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.installation import Installation
from tests.controlplane.objects import CLAIMS, DEVICE_QUOTAS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import installed_webhooks, wait_until_effective

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
        """Start a replica and wait until it has read the cluster."""
        kubeconfig = ["--kubeconfig", str(self.installation.serve_kubeconfig)]
        replica = ServeProcess(self.cluster.programs, [*kubeconfig, *options], name, self.cert_dir)
        wait_for("ready replica", replica.is_ready)
        return replica

    def controller(self) -> ControllerProcess:
        """Start a controller and wait until it leads."""
        controller = ControllerProcess(
            self.cluster.programs, self.installation.controller_kubeconfig, CONTROLLER_OPTIONS
        )
        controller.program.wait_for_output("^drawbridge: controller running")
        return controller

    @contextmanager
    def guarding(self, namespace: str, port: int, webhooks: Sequence[Json] = ()) -> Iterator[None]:
        """Let the API server ask whoever listens at the port, about one namespace, until the end of the block.

        `webhooks` are configurations to take in place of those of deploy/.
        """
        api, url = self.cluster.api, f"https://127.0.0.1:{port}"
        with installed_webhooks(api, webhooks or self.installation.webhooks, url, self.ca_file, namespace):
            wait_until_asked(api, namespace)
            yield


def wait_until_asked(api: Api, namespace: str) -> None:
    """Wait until the API server asks both webhook configurations; what shows it is not stored."""
    request = make_exact_request(1, "any")
    request["exactly"]["capacity"] = {"requests": {"memory": "-1"}}
    negative = make_claim_object(namespace, "probe", request)
    wait_until_effective(api, CLAIMS, negative, lambda seen: is_refused_by(seen, "request-capacity-negative"))


def is_refused_by(seen: Json | ApiError, rule: str) -> bool:
    """Return whether an outcome is a refusal of ours by a rule."""
    return isinstance(seen, ApiError) and f"drawbridge rule {rule}" in str(seen.status)


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
