"""Pods and workloads before a server over a folder: what is said of them, and that nobody is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.programs import Programs
from tests.controlplane.waiting import wait_for
from tests.support.build import claim_object, class_object, device, request, slice_object
from tests.support.pods import container, of_claim, of_template, pod_object, template_object, workload
from tests.support.quota import devices, quota_object
from tests.support.standalone import Standalone, write

Json = dict[str, Any]
POD = pod_object([of_template("gpu")], container("gpu"))


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team-a"}}
    published = slice_object(device("gpu-0"), device("gpu-1"))
    quota = quota_object(devices(5, "gpus"))
    shared = claim_object(name="shared-gpu", uid="1")
    write(folder, "cluster.yaml", namespace, class_object(), published, quota, shared, template_object(request("gpu")))
    return folder


@pytest.fixture(scope="module")
def server(cluster: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    place = tmp_path_factory.mktemp("server")
    with Programs(place / "logs") as programs:
        yield Standalone(programs, cluster, place)


def warned(server: Standalone, manifest: Json, **how: Any) -> list[str]:
    """Return the warnings; nothing is refused."""
    endpoint = "/validate/pods" if manifest["kind"] == "Pod" else "/validate/workloads"
    response = server.ask(endpoint, manifest, **how)
    assert response["allowed"]
    found: list[str] = response.get("warnings", [])
    return found


def test_a_pod_that_fits_together_passes_in_silence(server: Standalone) -> None:
    response = server.ask("/validate/pods", POD)
    assert (response["allowed"], "warnings" in response, "auditAnnotations" in response) == (True, False, False)


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"])
def test_a_workload_that_fits_together_passes_in_silence(server: Standalone, kind: str) -> None:
    assert warned(server, workload(POD, kind)) == []


def test_what_a_pod_refers_to_is_looked_up_in_its_namespace(server: Standalone) -> None:
    claims = [of_template("a", "singel-gpu"), of_claim("b", "single-gpu"), of_template("c", "shared-gpu")]
    pod = pod_object(claims, container("a", "b", "c"))
    assert warned(server, pod) == [
        (
            "resourceClaims[0]: no template 'singel-gpu' in namespace 'team-a'; did you mean 'single-gpu'? "
            "[pod-unknown-template]"
        ),
        (
            "resourceClaims[1]: 'single-gpu' is a template, not a claim; write `resourceClaimTemplateName` "
            "[pod-unknown-claim]"
        ),
        "resourceClaims[2]: 'shared-gpu' is a claim, not a template; write `resourceClaimName` [pod-unknown-template]",
    ]


def test_how_containers_use_claims_is_judged_in_a_workload_as_well(server: Standalone) -> None:
    pod = pod_object([of_template("a"), of_claim("b")], container({"name": "a", "request": "gpus"}))
    assert warned(server, workload(pod, "StatefulSet", replicas=2)) == [
        (
            "containers[0].claims[0].request: template 'single-gpu' has no request 'gpus'; did you mean 'gpu'? "
            "[pod-unknown-request]"
        ),
        (
            "resourceClaims[1]: no container uses claim 'b'; name it in the `resources.claims` of 'main' "
            "[pod-unused-claim]"
        ),
        (
            "resourceClaims[1]: 2 pods share the one claim 'shared-gpu'; refer to a template, for a claim each "
            "[pod-shared-claim]"
        ),
    ]


def test_all_pods_of_a_workload_are_held_against_the_quota_and_nothing_is_charged(server: Standalone) -> None:
    for _ in range(2):
        assert warned(server, workload(POD, replicas=6)) == [
            "resourceClaims[0]: pods would wait: 'gpus' requested: 6, used: 1, limited: 5 [quota-will-wait]"
        ]
    assert warned(server, workload(POD, replicas=4)) == []


def test_of_an_update_only_more_pods_count(server: Standalone) -> None:
    before, after = workload(POD, replicas=6), workload(POD, replicas=9)
    assert warned(server, after, operation="UPDATE", old=before) == []
    assert warned(server, after, operation="UPDATE", old=workload(POD, replicas=1)) != []
    assert warned(server, before, operation="UPDATE", old=before) == []


def test_a_pod_that_a_workload_makes_is_not_held_against_the_quota_again(server: Standalone) -> None:
    many = pod_object([of_template(f"gpu-{n}") for n in range(5)], container(*(f"gpu-{n}" for n in range(5))))
    assert len(warned(server, many)) == 1
    owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "u", "controller": True}
    owned = {**many, "metadata": {**many["metadata"], "ownerReferences": [owner]}}
    assert warned(server, owned) == []


def test_a_wrong_type_is_left_to_the_api_server(server: Standalone) -> None:
    pod = {**POD, "spec": {**POD["spec"], "nodeName": 7}}
    response = server.ask("/validate/pods", pod)
    assert response["allowed"]
    assert "spec.nodeName" in response["auditAnnotations"]["findings"]


def test_a_rule_can_refuse_pods_but_never_a_workload(cluster: Path, tmp_path: Path) -> None:
    bad = pod_object([of_template("a", "nowhere")], container("a"))
    with Programs(tmp_path / "logs") as programs:
        strict = Standalone(programs, cluster, tmp_path, "--rule", "pod-unknown-template=deny")
        assert not strict.ask("/validate/pods", bad)["allowed"]
        assert len(warned(strict, workload(bad))) == 1


def test_a_template_that_comes_just_after_its_pod_was_seen(cluster: Path, tmp_path: Path) -> None:
    """The folder is read again within a second; until then the pod is told, afterwards not."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    (folder / "cluster.yaml").write_text((cluster / "cluster.yaml").read_text())
    pod = pod_object([of_template("gpu", "later")], container("gpu"))
    with Programs(tmp_path / "logs") as programs:
        server = Standalone(programs, folder, tmp_path)
        assert len(warned(server, pod)) == 1
        write(folder, "later.yaml", template_object(request("gpu"), name="later"))
        wait_for("the template", lambda: not warned(server, pod) or None, seconds=10)
