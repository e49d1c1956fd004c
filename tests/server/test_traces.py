"""Traces reach a collector over OTLP, continue the caller's, and cost nothing where nobody asks for them."""

import io
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from itertools import pairwise

import pytest

from tests.support.otlp import Collector, attributes, collecting
from tests.support.serving import Served, make_review, serving
from webhook.core.decision import Allow, Decision, Deny
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.course import Stage
from webhook.server.limits import Budget
from webhook.server.log import LineSink, make_log
from webhook.server.tracing import tracing

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"
CANARY = "hunter2-canary"


async def judge(review: Review, budget: Budget) -> Decision:
    if review.name == "bug":
        raise ValueError(CANARY)
    with budget.course.within(Stage.LEDGER):
        pass
    if review.name == "bad":
        return Deny((Finding("quota-exceeded", Severity.DENY, ROOT.child("spec"), CANARY),))
    return Allow()


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as running:
        yield running


@pytest.fixture(scope="module")
def server(collector: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    asked = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=lab",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with pytest.MonkeyPatch.context() as patch:  # the SDK reads its variables itself
        for name, value in asked.items():
            patch.setenv(name, value)
        with serving({VALIDATE_CLAIMS: judge}, tmp_path_factory.mktemp("certs"), environment=asked) as running:
            yield running


def test_a_review_is_a_span_with_a_child_for_each_stage(server: Served, collector: Collector) -> None:
    server.post(body=make_review(uid="trace-1", name="bad"))
    whole, children = collector.review("trace-1")
    assert (whole.name, whole.parent_span_id) == ("POST /validate/claims", b"")
    assert attributes(whole.attributes) == {
        "http.request.method": "POST",
        "http.route": "/validate/claims",
        "http.response.status_code": 200,
        "drawbridge.uid": "trace-1",
        "drawbridge.operation": "CREATE",
        "drawbridge.kind": "ResourceClaim",
        "drawbridge.dry_run": False,
        "k8s.namespace.name": "team-a",
        "drawbridge.decision": "deny",
        "drawbridge.rules": ["quota-exceeded"],
    }
    assert [child.name for child in children] == ["read", "parse", "judge", "ledger", "judge", "write"]
    assert children[0].start_time_unix_nano == whole.start_time_unix_nano
    assert children[-1].end_time_unix_nano == whole.end_time_unix_nano
    for one, following in pairwise(children):
        assert one.end_time_unix_nano == following.start_time_unix_nano


def test_the_trace_of_the_caller_is_continued(server: Served, collector: Collector) -> None:
    headers = {"Traceparent": f"00-{TRACE}-{PARENT}-01", "Tracestate": "vendor=1"}
    server.post(body=make_review(uid="trace-2"), headers=headers)
    whole, children = collector.review("trace-2")
    assert (whole.trace_id.hex(), whole.parent_span_id.hex(), whole.trace_state) == (TRACE, PARENT, "vendor=1")
    assert {child.trace_id.hex() for child in children} == {TRACE}


def test_what_the_caller_does_not_sample_is_not_exported(server: Served, collector: Collector) -> None:
    server.post(body=make_review(uid="trace-3"), headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
    server.post(body=make_review(uid="trace-4"))
    collector.review("trace-4")
    assert "trace-3" not in str(collector.spans())


@pytest.mark.parametrize("header", ["", "00-xyz-1-01", f"00-{'0' * 32}-{PARENT}-01", "ff" * 4000])
def test_a_header_that_is_no_context_begins_a_trace(server: Served, collector: Collector, header: str) -> None:
    uid = f"trace-header-{len(header)}"
    assert server.post(body=make_review(uid=uid), headers={"traceparent": header}).status == 200
    assert collector.review(uid)[0].parent_span_id == b""


def test_a_fault_is_an_error_and_its_text_is_nowhere(server: Served, collector: Collector) -> None:
    assert server.post(body=make_review(uid="trace-5", name="bug")).status == 500
    whole, _ = collector.review("trace-5")
    assert (whole.status.code, attributes(whole.attributes)["http.response.status_code"]) == (2, 500)
    assert CANARY not in str(collector.received)


def test_the_service_is_named(server: Served, collector: Collector) -> None:
    server.post(body=make_review(uid="trace-6"))
    collector.review("trace-6")
    named = attributes(collector.received[0].resource.attributes)
    expected = {"service.name": "drawbridge", "service.version": "test", "deployment.environment.name": "lab"}
    assert expected.items() <= named.items()


def test_a_collector_that_is_away_delays_nobody_and_is_logged(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.1"}
    for name, value in {**asked, "OTEL_BSP_SCHEDULE_DELAY": "50"}.items():
        monkeypatch.setenv(name, value)
    with serving({VALIDATE_CLAIMS: judge}, tmp_path_factory.mktemp("certs"), environment=asked) as alone:
        assert [alone.post().status for _ in range(3)] == [200, 200, 200]
        said = alone.logged(msg="server")
    assert "Failed to export" in said["what"]


def _said(environment: Mapping[str, str]) -> list[dict[str, str]]:
    stream = io.StringIO()
    sink = LineSink(stream)
    traces = tracing(environment, "test", make_log(sink))
    sink.close()
    assert traces is None
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_SERVICE_NAME": "drawbridge"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"},
    ],
    ids=str,
)
def test_without_being_asked_nothing_is_traced_or_said(environment: Mapping[str, str]) -> None:
    assert _said(environment) == []


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER must be otlp or none, not 'zipkin'"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "the protocol of traces must be http/protobuf, not 'grpc'",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_had_is_told_once(environment: Mapping[str, str], why: str) -> None:
    (line,) = _said(environment)
    assert (line["level"], line["msg"], line["why"]) == ("warning", "no-traces", why)
    assert line["fix"]


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)  # what an import of a missing module meets
    (line,) = _said({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert "is not installed" in line["why"]
    assert "drawbridge[otel]" in line["fix"]


def test_variables_that_cannot_be_used_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    (line,) = _said({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
    assert line["why"].startswith("the OTEL_* variables cannot be used: ")


def test_the_server_loads_nothing_of_the_extra_by_itself() -> None:
    program = (
        "import sys, webhook.bootstrap.serving; print([n for n in sys.modules if n.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
