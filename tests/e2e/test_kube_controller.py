"""`drawbridge controller` on a real control plane: one leads, templates come and go, claims are folded."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess
from tests.controlplane.installation import NAMESPACE, Installation
from tests.controlplane.objects import (
    CLAIMS,
    GPU_DRIVER,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_exact_request,
    make_pod,
)
from tests.controlplane.waiting import wait_for
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.templates import GENERATED, Shape, make_template

pytestmark = pytest.mark.e2e
QUOTAS = "drawbridge.dev/v1alpha1/devicequotas"
MAPPINGS = "drawbridge.dev/v1alpha1/legacymappings"
LEASES = "coordination.k8s.io/v1/leases"
EVENTS = "v1/events"
RUNNING = r"^drawbridge: controller running$"
TEMPLATE = make_template(Shape(GPU_DRIVER), 2)


@contextmanager
def controller(
    cluster: ControlPlane, installation: Installation, *options: str, name: str = "controller"
) -> Iterator[ControllerProcess]:
    """A controller that leads, under the rights of its own service account."""
    process = ControllerProcess(cluster.programs, installation.controller_kubeconfig, options, name)
    try:
        process.program.wait_for_output(RUNNING)
        yield process
    finally:
        process.stop()


def create_quota(cluster: ControlPlane, namespace: str, hard: int = 5) -> None:
    spec = {"limits": [{"name": "devices", "devices": hard}]}
    manifest = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "DeviceQuota", "spec": spec}
    cluster.api.create(QUOTAS, {**manifest, "metadata": {"name": "gpus", "namespace": namespace}})


def books(cluster: ControlPlane, namespace: str) -> tuple[str, str] | None:
    """Return used and reserved; None before there are books."""
    limits = cluster.api.get(QUOTAS, "gpus", namespace).get("status", {}).get("limits")
    return (limits[0]["used"], limits[0]["reserved"]) if limits else None


def reserve(cluster: ControlPlane, namespace: str, uid: str) -> None:
    """Write a reservation of one device as a replica does."""
    quota = cluster.api.get(QUOTAS, "gpus", namespace)
    limit = quota["status"]["limits"][0]
    more = {name: str(int(limit[name]) + 1) for name in ("used", "reserved")}
    held = {"uid": uid, "name": "never", "amounts": {"devices": "1"}, "attempts": ["a"]}
    status = {**quota["status"], "limits": [{**limit, **more}], "reservations": [held]}
    cluster.api.replace(QUOTAS, {**quota, "status": status}, "status")


def rewritten_pod(namespace: str, name: str, template: str = TEMPLATE.name) -> Json:
    """Return a pod as it is after its rewrite; no node can take it."""
    pod = make_pod(namespace, name, template)
    original = {"containers": {"main": {"nvidia.com/gpu": "2"}}}
    pod["metadata"]["annotations"] = {ANNOTATION: json.dumps(original)}
    return pod


@pytest.fixture
def mapping(cluster: ControlPlane, installation: Installation, namespace: str) -> Iterator[None]:  # noqa: ARG001
    """A mapping of nvidia.com/gpu for the test's namespace; its kind must be installed."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    resources = [{"name": "nvidia.com/gpu", "deviceClassName": GPU_DRIVER}]
    manifest = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "LegacyMapping", "metadata": {"name": namespace}}
    spec = {"namespaceSelector": selector, "resources": resources}
    with cluster.api.temporarily(MAPPINGS, {**manifest, "spec": spec}):
        yield


def test_stored_claims_are_folded_and_freed(cluster: ControlPlane, installation: Installation, namespace: str) -> None:
    with controller(cluster, installation):
        create_quota(cluster, namespace)
        wait_for("first status", lambda: books(cluster, namespace) == ("0", "0"), 30)
        for name, count in (("a", 1), ("b", 3)):
            cluster.api.create(CLAIMS, make_claim_object(namespace, name, make_exact_request(count)))
        wait_for("use of four", lambda: books(cluster, namespace) == ("4", "0"), 30)
        headings, row = cluster.kubectl("get", "devicequota", "gpus", "-n", namespace, "-o", "wide").stdout.splitlines()
        assert re.split(r"  +", headings.strip()) == ["NAME", "MODE", "USE", "IN EFFECT", "EXCEEDED", "AGE"]
        assert re.split(r"  +", row)[:5] == ["gpus", "Deny", "devices: 4/5 (80%)", "True", "False"]
        cluster.api.delete(CLAIMS, "b", namespace)
        wait_for("use of one", lambda: books(cluster, namespace) == ("1", "0"), 30)


def test_t_07_a_reservation_whose_claim_never_comes_ends(
    cluster: ControlPlane, installation: Installation, namespace: str
) -> None:
    with controller(cluster, installation, "--reservation-seconds", "2"):
        create_quota(cluster, namespace)
        wait_for("first status", lambda: books(cluster, namespace) == ("0", "0"), 30)
        began = time.monotonic()
        reserve(cluster, namespace, "never-stored")
        assert books(cluster, namespace) == ("1", "1")
        wait_for("end of the reservation", lambda: books(cluster, namespace) == ("0", "0"), 30)
        assert time.monotonic() - began >= 1.9


def test_folding_goes_on_after_a_restart_of_the_api_server(
    cluster: ControlPlane, installation: Installation, namespace: str
) -> None:
    with controller(cluster, installation) as process:
        create_quota(cluster, namespace)
        cluster.kill_apiserver()
        time.sleep(1)
        cluster.start_apiserver()
        cluster.api.create(CLAIMS, make_claim_object(namespace, "after", make_exact_request(2)))
        wait_for("use of two", lambda: books(cluster, namespace) == ("2", "0"), 40)
        assert process.program.exit_code is None


def test_a_template_is_made_for_its_pod_and_collected_after_it(
    cluster: ControlPlane, installation: Installation, namespace: str, mapping: None
) -> None:
    assert mapping is None
    with controller(cluster, installation, "--template-grace-seconds", "2"):
        cluster.api.create(PODS, rewritten_pod(namespace, "train"))
        found = wait_for("template", lambda: cluster.api.find(TEMPLATES, TEMPLATE.name, namespace), 30)
        assert found["metadata"]["labels"] == {GENERATED: "true"}
        (claim,) = wait_for("claim", lambda: cluster.api.list_all(CLAIMS, namespace), 15)
        assert claim["spec"]["devices"]["requests"][0]["exactly"]["count"] == 2
        cluster.api.delete(TEMPLATES, TEMPLATE.name, namespace)
        wait_for("repair", lambda: cluster.api.find(TEMPLATES, TEMPLATE.name, namespace), 30)
        cluster.end_pod(namespace, "train")
        wait_for("collection", lambda: not cluster.api.find(TEMPLATES, TEMPLATE.name, namespace), 30)


def test_a_reference_that_follows_from_nothing_is_told_at_the_pod(
    cluster: ControlPlane, installation: Installation, namespace: str, mapping: None
) -> None:
    assert mapping is None
    name = "drawbridge-0123456789abcdef"
    with controller(cluster, installation):
        cluster.api.create(PODS, rewritten_pod(namespace, "forged", name))

        def told() -> list[str]:
            events = cluster.api.list_all(EVENTS, namespace)
            return [event["message"] for event in events if event["reason"] == "TemplateNotDerivable"]

        assert name in wait_for("event", told, 30)[0]
        assert cluster.api.find(TEMPLATES, name, namespace) is None


def test_a_pod_in_flight_over_a_change_of_its_mapping_still_gets_its_template(
    cluster: ControlPlane, installation: Installation, namespace: str, mapping: None
) -> None:
    assert mapping is None
    with controller(cluster, installation):
        wait_for("status", lambda: cluster.api.get(MAPPINGS, namespace).get("status"), 30)
        before = cluster.api.get(MAPPINGS, namespace)["spec"]
        other = [{"name": "nvidia.com/gpu", "deviceClassName": "other.example.com"}]
        cluster.api.patch(MAPPINGS, namespace, {"spec": {"resources": other}})
        cluster.api.create(PODS, rewritten_pod(namespace, "in-flight"))
        wait_for("template", lambda: cluster.api.find(TEMPLATES, TEMPLATE.name, namespace), 30)
        status = cluster.api.get(MAPPINGS, namespace)["status"]
        assert (status["observedGeneration"], status["previous"]) == (2, before)


def test_mappings_that_fight_both_say_so_in_their_status(
    cluster: ControlPlane, installation: Installation, namespace: str, mapping: None
) -> None:
    assert mapping is None
    first = cluster.api.get(MAPPINGS, namespace)

    def standing(name: str) -> dict[str, str]:
        conditions = cluster.api.get(MAPPINGS, name).get("status", {}).get("conditions", [])
        return {condition["type"]: condition["status"] for condition in conditions}

    with controller(cluster, installation):
        wait_for("readiness", lambda: standing(namespace) == {"Ready": "True", "Conflict": "False"})
        second = {**first, "metadata": {"name": f"{namespace}-again"}}
        with cluster.api.temporarily(MAPPINGS, second):
            fight = {"Ready": "False", "Conflict": "True"}
            wait_for("conflict", lambda: standing(namespace) == standing(f"{namespace}-again") == fight)
            shown = cluster.kubectl("get", "legacymapping", namespace, "--no-headers").stdout
            assert "False" in shown
        wait_for("peace", lambda: standing(namespace) == {"Ready": "True", "Conflict": "False"})


def test_one_leads_and_the_next_takes_over_at_once(cluster: ControlPlane, installation: Installation) -> None:
    with ExitStack() as exits:
        first = exits.enter_context(controller(cluster, installation, name="controller-1"))
        second = ControllerProcess(cluster.programs, installation.controller_kubeconfig, (), "controller-2")
        exits.callback(second.stop)
        time.sleep(3)
        assert "controller running" not in second.program.output()
        holder = cluster.api.get(LEASES, "drawbridge-controller", NAMESPACE)["spec"]["holderIdentity"]
        assert f"_{first.program.pid}_" in holder
        assert first.stop() == 0
        second.program.wait_for_output(RUNNING, 14)  # less than the lease lasts
        holder = cluster.api.get(LEASES, "drawbridge-controller", NAMESPACE)["spec"]["holderIdentity"]
        assert f"_{second.program.pid}_" in holder
        assert second.stop() == 0
        assert cluster.api.get(LEASES, "drawbridge-controller", NAMESPACE)["spec"].get("holderIdentity", "") == ""


def test_without_a_usable_kubeconfig_it_ends_with_2_and_says_so(cluster: ControlPlane) -> None:
    process = ControllerProcess(cluster.programs, cluster.folder / "absent", (), "controller-without")
    process.program.wait_for_output("cannot be used")
    wait_for("end", lambda: process.program.exit_code is not None)
    assert process.program.exit_code == 2
