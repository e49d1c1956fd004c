"""What kubectl shows the author of a pod or a workload, on a real control plane."""

from collections.abc import Iterator

import pytest
import yaml

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.gate import Gate
from tests.controlplane.waiting import wait_for
from tests.support.build import claim_object, class_object, request
from tests.support.pods import container, of_claim, of_template, pod_object, template_object, workload

pytestmark = pytest.mark.e2e


@pytest.fixture
def guarded(gate: Gate, replica: ServeProcess, namespace: str) -> Iterator[str]:
    with gate.guarding(namespace, replica.port):
        wait_for("effect of the webhooks", lambda: _warnings(gate.cluster, namespace, _pod("nowhere")) or None)
        yield namespace


def _placed(manifest: Json, namespace: str) -> Json:
    return {**manifest, "metadata": {**manifest["metadata"], "namespace": namespace}}


def _pod(template: str, name: str = "train") -> Json:
    pod = pod_object([of_template("gpu", template)], container("gpu"))
    return {**pod, "metadata": {"name": name}}


def _warnings(cluster: ControlPlane, namespace: str, *manifests: Json, store: bool = False) -> list[str]:
    """Return what kubectl warns of pods while it creates the objects one after the other."""
    flags = () if store else ("--dry-run=server",)
    placed = [_placed(manifest, namespace) for manifest in manifests]
    done = cluster.kubectl("create", *flags, "-f", "-", manifests=yaml.safe_dump_all(placed))
    return [line.removeprefix("Warning: ") for line in done.stderr.splitlines() if "[pod-" in line]


def test_a_template_and_its_pods_in_one_file_pass_in_silence(cluster: ControlPlane, guarded: str) -> None:
    """The watch lags behind what kubectl has just stored."""
    for number in range(5):
        name = f"single-gpu-{number}"
        pod = _pod(name, f"train-{number}")
        made = template_object(request("gpu"), name=name)
        assert _warnings(cluster, guarded, made, pod, store=True) == []


def test_what_is_missing_or_mistaken_is_told_for_pods_and_workloads(cluster: ControlPlane, guarded: str) -> None:
    stored = [template_object(request("gpu")), claim_object(request("gpu"), name="shared-gpu")]
    assert _warnings(cluster, guarded, *stored, store=True) == []
    wait_for("the template", lambda: not _warnings(cluster, guarded, _pod("single-gpu")) or None)

    [misspelt] = _warnings(cluster, guarded, _pod("singel-gpu"))
    assert misspelt.startswith(f"resourceClaims[0]: no template 'singel-gpu' in namespace '{guarded}'")
    pod = pod_object([of_template("a", "shared-gpu"), of_claim("b")], container({"name": "b", "request": "gpus"}))
    selector = {"matchLabels": {"app": "train"}}
    deployment = workload(pod, replicas=2, selector=selector)
    deployment["spec"]["template"]["metadata"] = {"labels": {"app": "train"}}
    told = _warnings(cluster, guarded, deployment)
    assert [line.rpartition("[")[2].rstrip("]") for line in told] == [
        "pod-unknown-request",
        "pod-unused-claim",
        "pod-unknown-template",
        "pod-shared-claim",
    ]


def test_a_field_that_the_server_keeps_is_not_said_to_be_dropped(cluster: ControlPlane, guarded: str) -> None:
    """The gates are read from the server itself."""
    share = request("share", capacity={"memory": "1Gi"}, tolerations=[{"key": "a", "operator": "Exists"}])
    template = _placed(template_object(share, name="share"), guarded)
    done = cluster.kubectl("create", "--dry-run=server", "-f", "-", manifests=yaml.safe_dump(template))
    assert "field-dropped-by-server" not in done.stderr


def test_a_class_that_claims_wait_for_is_changed_with_a_warning(gate: Gate, guarded: str) -> None:
    api, cluster = gate.cluster.api, gate.cluster
    named = class_object("changing.example.com", extendedResourceName="example.com/changing")
    with api.temporarily("resource.k8s.io/v1/deviceclasses", named):
        bare = class_object("changing.example.com")
        done = cluster.kubectl("replace", "--dry-run=server", "-f", "-", manifests=yaml.safe_dump(bare))
    assert "no DeviceClass serves `example.com/changing` any more" in done.stderr
    assert guarded
