"""`drawbridge doctor` on an installation of deploy/: a healthy one is clean, and each fault is told with what mends it.

The control plane is one of its own, where the tests break the installation; the printed commands are run as printed.
"""

import base64
import json
import os
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from certs.issue import Pair, issue_serving, make_key
from tests.controlplane.api import Json
from tests.controlplane.build import helm
from tests.controlplane.cluster import ControlPlane, free_port
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess
from tests.controlplane.installation import NAMESPACE
from tests.controlplane.objects import CLAIM_POLICIES, DEVICE_QUOTAS, make_device_quota
from tests.controlplane.programs import Program
from tests.controlplane.service import SLICES, own_address, publish
from tests.controlplane.shell import commands_of, run_shown
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES
from webhook.cli import main

pytestmark = pytest.mark.e2e

MUTATING, VALIDATING = RESOURCES.values()
PLACES = {MUTATING: "MutatingWebhookConfiguration", VALIDATING: "ValidatingWebhookConfiguration"}
CLUSTER_ROLES = "rbac.authorization.k8s.io/v1/clusterroles"
ENDPOINT = "drawbridge-test"
HOST = f"drawbridge.{NAMESPACE}.svc"


class Rig:
    """An installation with one replica, its controller and the program that makes certificates."""

    def __init__(self, cluster: ControlPlane, address: str) -> None:
        self.cluster = cluster
        self.api = cluster.api
        self.address = address
        for command in commands_of("README.md", "Install"):
            run_shown(cluster, command)
        accounts = ("drawbridge", "drawbridge-controller", "drawbridge-certs")
        serving, controlling, certifying = (cluster.service_account_kubeconfig(NAMESPACE, name) for name in accounts)
        self.certs = ControllerProcess(
            cluster.programs, certifying, ["--certificates", "--look-seconds", "0.5", "--health-port", "0"], "certs"
        )
        self.controlling = controlling
        self.controller = self.start_controller()
        wait_for("certificate", lambda: self.secret("drawbridge-tls"))
        options = ["--host", "0.0.0.0", "--kubeconfig", str(serving), "--cert-secret", "drawbridge-tls"]
        self.replica = ServeProcess(cluster.programs, [*options, "--drain-seconds", "0"])
        wait_for("readiness", self.replica.is_ready)
        publish(self.api, NAMESPACE, ENDPOINT, address, self.replica.port)
        self.wait_until_clean()

    def start_controller(self) -> ControllerProcess:
        controller = ControllerProcess(self.cluster.programs, self.controlling, ["--health-port", "0"])
        controller.program.wait_for_output("^drawbridge: controller running")
        return controller

    def secret(self, name: str) -> dict[str, bytes]:
        data: Json = self.api.get("v1/secrets", name, NAMESPACE).get("data", {})
        return {key: base64.b64decode(value) for key, value in data.items()}

    def doctor(self, *options: str, user: str = "administrator") -> tuple[int, list[dict[str, Any]]]:
        """Run it and return its exit code and its findings."""
        done = CliRunner().invoke(
            main, ["doctor", "-o", "json", "--kubeconfig", str(self.cluster.kubeconfig(user)), *options]
        )
        assert done.exit_code in (0, 1), done.output
        return done.exit_code, json.loads(done.stdout)["findings"]

    def wrong(self) -> list[dict[str, Any]]:
        """Return errors and warnings."""
        return [one for one in self.doctor()[1] if one["severity"] in ("error", "warning")]

    def wait_until_clean(self) -> None:
        try:
            wait_for("clean bill of health", lambda: not self.wrong(), seconds=60)
        except TimeoutError:
            assert self.wrong() == []

    def found(self, *names: str) -> list[dict[str, Any]]:
        """Return the findings, which are exactly these."""
        found = self.wrong()
        assert sorted(one["name"] for one in found) == sorted(names), found
        assert all(one["fixes"] for one in found)
        return found

    def apply_fixes(self, found: list[dict[str, Any]]) -> None:
        """Run the commands that were printed."""
        for one in found:
            run_shown(self.cluster, one["fixes"][0]["command"])

    @contextmanager
    def paused(self, program: Program) -> Iterator[None]:
        """A program that does nothing for a while, and still holds its Lease."""
        program.send(signal.SIGSTOP)
        try:
            yield
        finally:
            program.send(signal.SIGCONT)

    @contextmanager
    def endpoint(self, port: int, *, ready: bool = True) -> Iterator[None]:
        """Another endpoint in place of the replica."""
        kept = self.api.get(SLICES, ENDPOINT, NAMESPACE)
        self._point(kept["ports"][0] | {"port": port}, ready=ready)
        try:
            yield
        finally:
            self._point(kept["ports"][0], ready=True)

    def _point(self, port: Json, *, ready: bool) -> None:
        endpoints = [{"addresses": [self.address], "conditions": {"ready": ready}}]
        self.api.patch(SLICES, ENDPOINT, {"ports": [port], "endpoints": endpoints}, NAMESPACE)


@pytest.fixture(scope="module")
def rig(cluster: ControlPlane) -> Iterator[Rig]:  # noqa: ARG001 - it skips where there is no control plane
    address = own_address()
    with ControlPlane() as own:
        yield Rig(own, address)


@pytest.fixture(autouse=True)
def mended(rig: Rig) -> Iterator[None]:
    """Each test leaves the installation as it was."""
    yield
    rig.wait_until_clean()


def change(rig: Rig, resource: str, name: str, *operations: Json) -> None:
    rig.cluster.kubectl(
        "patch",
        resource.rpartition("/")[2],
        name,
        "--type=json",
        "--field-manager=somebody",
        "-p",
        json.dumps(operations),
    )


def index_of(rig: Rig, resource: str, webhook: str) -> int:
    names = [each["name"] for each in rig.api.get(resource, "drawbridge")["webhooks"]]
    return names.index(webhook)


def test_a_healthy_installation_is_clean(rig: Rig) -> None:
    code, found = rig.doctor("--fail-on", "warn")
    assert code == 0
    assert {one["severity"] for one in found} == {"ok"}
    assert len(found) == 8
    [command] = commands_of("docs/how-to/check-an-installation.md", "Look")
    printed = run_shown(rig.cluster, command.replace("drawbridge ", "$DRAWBRIDGE ", 1))
    assert printed.endswith("\n0 errors, 0 warnings\n")
    assert "\x1b" not in printed


def test_a_missing_configuration_and_the_policy_that_came_in_meanwhile(rig: Rig) -> None:
    rig.api.delete(VALIDATING, "drawbridge")
    spec = {"match": {"resources": ["claims"]}, "validations": [{"expression": "clam.name == 'x'", "message": "m"}]}
    policy = {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicy", "metadata": {"name": "bad"}, "spec": spec}
    with rig.api.temporarily(CLAIM_POLICIES, policy):
        wait_for("status", lambda: rig.api.get(CLAIM_POLICIES, "bad").get("status"))
        missing, bad = rig.found("configuration-missing", "policy-not-ready")
        rig.apply_fixes([missing])
        wait_for("the policy alone", lambda: [one["name"] for one in rig.wrong()] == ["policy-not-ready"])
        assert bad["object"]["name"] == "bad"
        assert "clam" in bad["message"]


def test_a_bundle_that_is_none_is_written_by_the_printed_command(rig: Rig) -> None:
    with rig.paused(rig.certs.program):
        garbage = base64.b64encode(b"garbage").decode()
        for index in (0, 2):
            change(
                rig,
                MUTATING,
                "drawbridge",
                {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": garbage},
            )
        found = rig.found("bundle-unreadable")
        assert "2 of 3 webhooks" in found[0]["message"]
        rig.apply_fixes(found)
        rig.wait_until_clean()


@contextmanager
def presenting(pair: Pair) -> Iterator[int]:
    """A port where that certificate is presented, and nothing answered."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pair.pem"
        file.write_bytes(pair.certificate + pair.key)
        context.load_cert_chain(file)
    with socket.create_server(("0.0.0.0", 0)) as listening:
        ended = threading.Event()

        def present() -> None:
            while not ended.is_set():
                connection, _ = listening.accept()
                connection.settimeout(5)
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=present)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            ended.set()
            socket.create_connection(listening.getsockname(), 5).close()
            thread.join()


@pytest.mark.parametrize(
    ("days_ago", "named", "expected"),
    [
        (31, HOST, "certificate-expired"),
        (27, HOST, "certificate-expiring"),
        (0, "other.example", "certificate-names"),
    ],
)
def test_a_certificate_that_no_api_server_believes_long(rig: Rig, days_ago: int, named: str, expected: str) -> None:
    authority = rig.secret("drawbridge-ca")
    ca = Pair(authority["ca.crt"], authority["ca.key"])
    begin = datetime.now(UTC) - timedelta(days=days_ago)
    pair = issue_serving(ca, make_key(), [named], begin, lambda size: b"\x01" * size)
    with rig.paused(rig.certs.program), presenting(pair) as port, rig.endpoint(port):
        silent = ("webhook-unreachable", "webhook-not-asked")
        found = [one for one in rig.wrong() if one["name"] not in silent]
    assert [one["name"] for one in found] == [expected]
    assert found[0]["fixes"][0]["command"].startswith("drawbridge certs rotate --kubeconfig ")


def test_a_certificate_of_another_ca(rig: Rig) -> None:
    from certs.issue import issue_ca

    random = lambda size: b"\x01" * size  # noqa: E731
    now = datetime.now(UTC)
    pair = issue_serving(issue_ca(make_key(), now, random), make_key(), [HOST], now, random)
    with rig.paused(rig.certs.program), presenting(pair) as port, rig.endpoint(port):
        rig.found("bundle-mismatch", "bundle-mismatch")


def test_rights_that_are_lacking_are_given_by_the_printed_command(rig: Rig) -> None:
    rules = rig.api.get(CLUSTER_ROLES, "drawbridge")["rules"]
    slices = next(rule for rule in rules if "resourceslices" in rule["resources"])
    slices["resources"].remove("devicetaintrules")
    kept = [rule for rule in rules if rule.get("nonResourceURLs") is None]
    change(rig, CLUSTER_ROLES, "drawbridge", {"op": "replace", "path": "/rules", "value": kept})
    found = rig.found("rights-missing")
    assert "list/watch devicetaintrules.resource.k8s.io; get /metrics" in found[0]["message"]
    rig.apply_fixes(found)


def test_rights_that_somebody_has_added(rig: Rig) -> None:
    subjects = [{"kind": "ServiceAccount", "name": "drawbridge", "namespace": NAMESPACE}]
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    manifest = {"metadata": {"name": "too-much"}, "roleRef": role, "subjects": subjects}
    with rig.api.temporarily("rbac.authorization.k8s.io/v1/clusterrolebindings", manifest):
        [found] = rig.found("rights-excess")
    assert found["object"]["name"] == "too-much"
    assert found["fixes"][0]["command"] == "kubectl edit clusterrolebinding too-much"


def test_a_service_that_leads_nowhere(rig: Rig) -> None:
    with rig.endpoint(rig.replica.port, ready=False):
        rig.found("no-endpoints")
    with rig.endpoint(free_port()):
        wait_for("effect", lambda: "webhook-unreachable" in {one["name"] for one in rig.wrong()})
        code, found = rig.doctor()
    assert code == 1
    reached = [one for one in found if one["severity"] == "error"]
    assert {one["name"] for one in reached} <= {"webhook-unreachable", "webhook-not-asked"}
    assert "served-unchecked" in {one["name"] for one in found}


def test_what_somebody_has_changed_of_a_webhook_is_undone_by_the_printed_commands(rig: Rig) -> None:
    claims, pods = (index_of(rig, VALIDATING, f"{name}.validate.drawbridge.dev") for name in ("claims", "pods"))
    change(
        rig,
        VALIDATING,
        "drawbridge",
        {"op": "replace", "path": f"/webhooks/{claims}/timeoutSeconds", "value": 30},
        {"op": "remove", "path": f"/webhooks/{pods}/namespaceSelector"},
    )
    timeout, exempt = rig.found("webhook-timeout", "namespace-not-exempt")[::-1]
    assert "`timeoutSeconds` is '30', shipped is '5', set by 'somebody'" in timeout["message"]
    assert f"'{NAMESPACE}'" in exempt["message"]
    rig.apply_fixes([timeout, exempt])


def test_a_crd_of_another_version(rig: Rig) -> None:
    crd = "devicequotas.drawbridge.dev"
    path = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/warnAt"
    change(rig, "apiextensions.k8s.io/v1/customresourcedefinitions", crd, {"op": "remove", "path": path})
    found = rig.found("crd-changed")
    assert crd in found[0]["message"]
    rig.apply_fixes(found)


def test_a_controller_that_does_not_run_and_the_quotas_that_nobody_counts(rig: Rig) -> None:
    limit = {"name": "all", "devices": 3}
    namespace = rig.cluster.create_namespace()
    rig.api.create(DEVICE_QUOTAS, make_device_quota(namespace, "counted", limit))
    wait_for("books", lambda: rig.api.get(DEVICE_QUOTAS, "counted", namespace).get("status"))
    rig.controller.stop()
    quota = rig.api.get(DEVICE_QUOTAS, "counted", namespace)
    quota["status"]["limits"][0] |= {"used": "2", "reserved": "2"}
    rig.api.replace(DEVICE_QUOTAS, quota, "status")
    rig.api.create(DEVICE_QUOTAS, make_device_quota(namespace, "uncounted", limit))
    drifted, uncounted, nobody = rig.found("quota-drift", "quota-without-status", "leader-missing")
    assert "the status says used 2, reserved 2; claims and reservations come to used 0" in drifted["message"]
    assert uncounted["object"]["name"] == "uncounted"
    [command] = {one["fixes"][0]["command"] for one in (drifted, uncounted, nobody)}
    run_shown(rig.cluster, command)
    rig.controller = rig.start_controller()  # what the command does where nodes run pods
    rig.wait_until_clean()
    rig.cluster.delete_namespace(namespace)


def test_a_release_of_the_chart_under_other_names_is_as_shipped(rig: Rig) -> None:
    """Its programs do not run here; that is all that is wrong with it."""
    if not helm().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Helm is not built: run `make controlplane`")
    options = "--set fullnameOverride=moat,crds.install=false --set webhooks.excludedNamespaces={team-x}"
    run_shown(rig.cluster, f"helm install gate deploy/helm/drawbridge -n keep --create-namespace {options}")
    _, found = rig.doctor("--own-namespace", "keep", "--installation-name", "moat")
    run_shown(rig.cluster, "helm uninstall gate -n keep --no-hooks")
    assert {one["name"] for one in found if one["severity"] != "ok"} == {
        "no-endpoints",
        "bundle-unreadable",
        "leader-missing",
        "namespaces-left-out",
    }
    assert {"rights", "versions"} < {one["name"] for one in found if one["severity"] == "ok"}


def test_what_may_not_be_read_is_told_and_nothing_else(rig: Rig) -> None:
    """Alice may nothing, not even read the API server's metrics."""
    code, found = rig.doctor(user="alice")
    assert code == 0
    assert {one["severity"] for one in found} == {"info"}
    assert {one["name"] for one in found} == {
        "configuration-unchecked",
        "endpoints-unchecked",
        "rights-unchecked",
        "reachability-unchecked",
        "replicas-unchecked",
        "crds-unchecked",
        "feature-gates-unchecked",
        "policies-unchecked",
        "quotas-unchecked",
        "leaders-unchecked",
    }
    assert all("alice" in one["message"] for one in found if one["name"] != "feature-gates-unchecked")
