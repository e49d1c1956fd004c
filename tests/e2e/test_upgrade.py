"""An upgrade by Helm from an older chart, under traffic: nobody's claim fails.

There is no older release yet, so the older chart is today's under another version, with other values; the programs
are today's, started as the Deployments of each say. Nobody runs pods here: the test plays the rollout.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.controlplane.api import Json, path_of
from tests.controlplane.audit import refused
from tests.controlplane.build import helm
from tests.controlplane.chart import objects
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.gate import CONTROLLER_OPTIONS, create_quota, standing
from tests.controlplane.installation import NAMESPACE
from tests.controlplane.load import Load, ask
from tests.controlplane.objects import CLAIMS, make_claim_object, make_device_quota, make_exact_request
from tests.controlplane.pods import pod_of, run_as_pod
from tests.controlplane.service import SLICES, own_address, publish
from tests.controlplane.shell import commands_of, run_shown, running_shown
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES
from tests.support.chart_page import CHART
from tests.support.deployment import grants_of

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

DEPLOYMENTS = "apps/v1/deployments"
CRDS = "apiextensions.k8s.io/v1/customresourcedefinitions"
OLDER = "0.0.9"
# Every webhook that a claim meets fails closed, so that no failure is hidden. A busy machine is given more time.
VALUES = (
    "webhook.drainSeconds=5,webhooks.mutateClaims.failurePolicy=Fail,"
    "webhooks.mutateClaims.timeoutSeconds=10,webhooks.validateClaims.timeoutSeconds=10"
)
EVERYBODY_S = {("path", "/version", "get")}
WORKERS = 2
TURNS = 25


class Release:
    """The programs as the Deployments in the cluster say that they are started."""

    def __init__(self, cluster: ControlPlane) -> None:
        self._cluster = cluster
        self._address = own_address()
        self._numbers = itertools.count()

    def _started_with(self, deployment: str) -> list[str]:
        spec: Json = self._cluster.api.get(DEPLOYMENTS, deployment, NAMESPACE)["spec"]["template"]["spec"]
        _, *arguments = spec["containers"][0]["args"]
        kubeconfig = self._cluster.service_account_kubeconfig(NAMESPACE, spec["serviceAccountName"])
        return ["--kubeconfig", str(kubeconfig), *(each for each in arguments if "port=" not in each)]

    def certs(self) -> ControllerProcess:
        _, kubeconfig, *options = self._started_with("drawbridge-certs")
        return ControllerProcess(self._cluster.programs, Path(kubeconfig), [*options, "--look-seconds", "0.5"], "certs")

    def controller(self) -> ControllerProcess:
        _, kubeconfig, *options = self._started_with("drawbridge-controller")
        started = [*options, *CONTROLLER_OPTIONS]
        return ControllerProcess(self._cluster.programs, Path(kubeconfig), started, f"controller-{next(self._numbers)}")

    def replica(self) -> tuple[str, ServeProcess]:
        """Start one, and make it an endpoint of the Service once it is ready."""
        name = f"serve-{next(self._numbers)}"
        replica = ServeProcess(self._cluster.programs, self._started_with("drawbridge"), name)
        wait_for("readiness", replica.is_ready)
        publish(self._cluster.api, NAMESPACE, name, self._address, replica.port)
        return name, replica

    def end(self, name: str, replica: ServeProcess) -> None:
        self._cluster.api.delete(SLICES, name, NAMESPACE)
        assert replica.stop() == 0


@pytest.fixture(scope="module")
def own(cluster: ControlPlane) -> Iterator[ControlPlane]:  # noqa: ARG001 - skips where there is no control plane
    if not helm().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Helm is not built: run `make controlplane`")
    with ControlPlane() as control_plane:
        yield control_plane


def _older_chart(folder: Path) -> Path:
    """Return a copy of the chart that calls itself older."""
    chart = folder / "drawbridge"
    shutil.copytree(CHART, chart)
    told = yaml.safe_load((chart / "Chart.yaml").read_text())
    (chart / "Chart.yaml").write_text(yaml.safe_dump({**told, "version": OLDER, "appVersion": OLDER}))
    return chart


def _users(cluster: ControlPlane, namespace: str) -> Load:
    """Return who creates claims and deletes them."""

    def work(worker: int) -> None:
        with cluster.connection() as (connection, headers):
            for turn in itertools.count():
                if load.over.is_set():
                    return
                name = f"claim-{worker}-{turn}"
                claim = make_claim_object(namespace, name, make_exact_request(1, "any"))
                load.count(ask(connection, headers, "POST", path_of(CLAIMS, namespace), claim))
                ask(connection, headers, "DELETE", path_of(CLAIMS, namespace, name), None)

    load = Load([partial(work, worker) for worker in range(WORKERS)])
    return load


def _image(cluster: ControlPlane) -> str:
    spec = cluster.api.get(DEPLOYMENTS, "drawbridge", NAMESPACE)["spec"]["template"]["spec"]
    return str(spec["containers"][0]["image"])


def _bundles(cluster: ControlPlane) -> set[str]:
    found = [webhook for kind in RESOURCES.values() for webhook in cluster.api.get(kind, "drawbridge")["webhooks"]]
    return {webhook["clientConfig"].get("caBundle", "") for webhook in found}


def _check_from_inside(cluster: ControlPlane, folder: Path) -> None:
    """`helm test`, as the page says: doctor finds no error, and needs every right that its account has and no other."""
    [command] = commands_of("docs/how-to/check-an-installation.md", "With Helm, from inside")
    with running_shown(cluster, command) as testing:
        said = run_as_pod(cluster, pod_of(cluster, "test"))
        _, complained = testing.communicate(timeout=60)
    assert testing.returncode == 0, complained
    assert "-unchecked" not in said, said
    asked = {each for each in cluster.asked() if each.account == "drawbridge-test"}
    assert refused(asked) == []
    granted = grants_of(each for each in objects(folder) if each["metadata"]["name"] == "drawbridge-test")
    assert granted == {each.right for each in asked} - EVERYBODY_S


def test_no_claim_fails_while_the_chart_is_upgraded(own: ControlPlane, tmp_path: Path) -> None:
    api, release = own.api, Release(own)
    api.create("v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    run_shown(own, f"helm install drawbridge {_older_chart(tmp_path)} --namespace {NAMESPACE} --set {VALUES}")
    assert _image(own).endswith(f":{OLDER}")
    certs, controller = release.certs(), release.controller()
    wait_for("certificate", lambda: "data" in api.get("v1/secrets", "drawbridge-tls", NAMESPACE))
    wait_for("caBundle", lambda: all(_bundles(own)))
    trusted = _bundles(own)
    replicas = [release.replica(), release.replica()]
    namespace = own.create_namespace()
    create_quota(api, make_device_quota(namespace, "gpus", {"name": "all", "devices": 1000}))
    load = _users(own, namespace)
    [upgrade] = [each for each in commands_of("docs/how-to/upgrade.md", "With Helm") if each.startswith("helm ")]
    with load.running():
        load.reach(TURNS)
        run_shown(own, upgrade)
        assert not _image(own).endswith(f":{OLDER}")
        load.reach(load.done + TURNS)
        assert controller.stop() == 0
        controller = release.controller()
        replacing = []
        for old in replicas:
            replacing.append(release.replica())
            load.reach(load.done + TURNS)
            release.end(*old)
            load.reach(load.done + TURNS)
    assert not load.failures
    # Whom a new connection meets the API server draws by lot; since the last of the old ended these answer everything.
    assert sum(new.answered() for _, new in replacing) >= TURNS - WORKERS
    assert _bundles(own) == trusted
    upgraded = api.get(CRDS, "devicequotas.drawbridge.dev")
    assert upgraded["metadata"]["labels"]["helm.sh/chart"] != f"drawbridge-{OLDER}"
    wait_for("free quota", lambda: standing(api, namespace, "all") == ("0", "0"))
    _check_from_inside(own, tmp_path)
    assert (controller.stop(), certs.stop()) == (0, 0)
    print(f"{load.done} claims, 0 failed")
