"""From a refused claim to its reason, as docs/how-to/debug-a-denial.md goes; a real API server logs and traces it.

The control plane is one of its own: its API server traces, and the namespace has the name that the page gives it.
"""

import json
import re
from collections.abc import Iterator

import pytest

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.drawbridge import ControllerProcess, ServeProcess, issue_certificates, metrics_at
from tests.controlplane.gate import Gate, create_quota
from tests.controlplane.installation import install
from tests.controlplane.objects import PODS, TEMPLATES, make_device_quota, make_exact_request, make_pod, make_template
from tests.controlplane.shell import commands_of, run_shown
from tests.controlplane.waiting import wait_for
from tests.support.golang import REPOSITORY
from tests.support.otlp import Collector, attributes, collecting

pytestmark = pytest.mark.e2e

NAMESPACE, POD, TEMPLATE = "team-a", "train", "gpus"
TRACING = {
    "apiVersion": "apiserver.config.k8s.io/v1beta1",
    "kind": "TracingConfiguration",
    "endpoint": "127.0.0.1:9",  # nobody listens: what is looked at is the header that is sent to webhooks
    "samplingRatePerMillion": 1_000_000,
}
ANNOTATIONS = "claims.validate.drawbridge.dev"
PAGE = "docs/how-to/debug-a-denial.md"
HEADINGS = ("You were refused", "Your pod waits for its claim", "Somebody else was refused")
NOT_RUN = {
    ".venv/bin/drawbridge ": "tests/golden/test_commands_of_pages.py runs it",
    "kubectl logs ": "no node runs pods here; the line that it would find is looked for in what the program wrote",
}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def own(cluster: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:  # noqa: ARG001 - it skips where there is no control plane
    tracing = tmp_path_factory.mktemp("tracing") / "tracing.json"
    tracing.write_text(json.dumps(TRACING))
    with ControlPlane(apiserver_flags=[f"--tracing-config-file={tracing}"]) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def gate(own: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    folder = tmp_path_factory.mktemp("certificates")
    issue_certificates(folder)
    return Gate(own, install(own), folder)


@pytest.fixture(scope="module")
def replica(gate: Gate, collector: Collector) -> Iterator[ServeProcess]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint)
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")
        running = gate.serve("--drain-seconds", "0")
    wait_for("readiness", running.is_ready)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def controller(gate: Gate) -> Iterator[ControllerProcess]:
    running = gate.controller()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def told(gate: Gate, replica: ServeProcess, controller: ControllerProcess) -> Iterator[Json]:  # noqa: ARG001 - it only has to run
    """The Event that a pod gets whose template asks for more than the quota allows."""
    api = gate.cluster.api
    api.create("v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    with gate.guarding(NAMESPACE, replica.port):
        create_quota(api, make_device_quota(NAMESPACE, "gpus", {"name": "all", "devices": 2}))
        api.create(TEMPLATES, make_template(NAMESPACE, TEMPLATE, make_exact_request(4)))
        api.create(PODS, make_pod(NAMESPACE, POD, TEMPLATE))

        def event() -> Json | None:
            found = api.list_all("v1/events", NAMESPACE)
            return next((each for each in found if each["reason"] == "ClaimDenied"), None)

        yield wait_for("Event on the pod", event)


def test_the_pod_says_why_it_waits(gate: Gate, told: Json) -> None:
    pod = gate.cluster.api.get(PODS, POD, NAMESPACE)
    assert told["involvedObject"]["uid"] == pod["metadata"]["uid"]
    said = "claim 'gpu' is refused: spec.devices.requests[0].exactly: exceeded quota: 'all' in namespace 'team-a', "
    assert told["message"].startswith(f"{said}requested: 4, used: 0, limited: 2")
    assert told["message"].endswith(" [quota-exceeded]")
    described = gate.cluster.kubectl("describe", "pod", POD, "--namespace", NAMESPACE).stdout
    shown = next(line for line in described.splitlines() if "ClaimDenied" in line)
    assert told["message"] in shown
    assert re.search(r"Warning +ClaimDenied +\S+ +drawbridge ", shown)


def test_more_tries_of_the_same_claim_are_no_more_events(gate: Gate, replica: ServeProcess, told: Json) -> None:  # noqa: ARG001 - it begins the tries
    denied = re.compile(r'"name":"train-gpu-\w+","dry_run":false,"decision":"deny"')
    wait_for("three more tries", lambda: len(denied.findall(replica.program.output())) >= 4)
    found = [each for each in gate.cluster.api.list_all("v1/events", NAMESPACE) if each["reason"] == "ClaimDenied"]
    assert [each["count"] for each in found] == [1]
    assert replica.metric('drawbridge_pod_events_total{outcome="written"}') == 1


def test_the_page_shows_commands_that_run(gate: Gate, told: Json) -> None:
    commands = [command for heading in HEADINGS for command in commands_of(PAGE, heading)]
    printed = {c: run_shown(gate.cluster, c) for c in commands if not c.startswith(tuple(NOT_RUN))}
    assert len(printed) == 4
    assert all(printed.values())
    assert told["message"] in printed[f"kubectl describe pod {POD} --namespace {NAMESPACE}"]


def test_the_audit_log_leads_to_the_log_line_and_the_trace(
    gate: Gate,
    replica: ServeProcess,
    collector: Collector,
    told: Json,  # noqa: ARG001 - something was refused
) -> None:
    noted = gate.cluster.audit_annotations("resourceclaims", NAMESPACE)
    found = json.loads(noted[f"{ANNOTATIONS}/findings"])["findings"]
    assert [each["rule"] for each in found if each["severity"] == "deny"] == ["quota-exceeded"]
    uid = noted[f"{ANNOTATIONS}/uid"]

    def logged() -> Json | None:
        return next((json.loads(each) for each in replica.program.output().splitlines() if uid in each), None)

    line = wait_for("line of the review", logged)
    assert (line["msg"], line["decision"]) == ("admission", "deny")
    assert "quota-exceeded" in line["rules"]
    [shown] = [each for each in (REPOSITORY / PAGE).read_text().splitlines() if each.startswith('{"ts":')]
    assert json.loads(shown).keys() == line.keys()
    whole, children = collector.review(uid)
    assert attributes(whole.attributes)["drawbridge.decision"] == "deny"
    assert "ledger" in [child.name for child in children]
    assert whole.parent_span_id  # the API server's own span


def test_every_metric_that_programs_give_has_its_line_in_the_reference(
    replica: ServeProcess,
    controller: ControllerProcess,
    told: Json,  # noqa: ARG001 - something happened
) -> None:
    page = (REPOSITORY / "docs" / "reference" / "metrics.md").read_text()
    documented = set(re.findall(r"^\| `(drawbridge_\w+)`", page, re.MULTILINE))
    given = set()
    for program in (replica, controller):
        types = re.findall(r"^# TYPE (drawbridge_\w+) (\w+)$", metrics_at(program.health_url), re.MULTILINE)
        given |= {name for name, _ in types if not name.endswith("_created")}
    assert given - documented == set()
    # What the certificates' program gives alone is in docs too.
    assert {name for name in documented - given if "certificate" not in name and "_ca_" not in name} == set()
