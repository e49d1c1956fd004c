"""What operators see: probes, metrics and one log line a decision; never what users keep in their objects."""

import io
import json
import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.support.serving import Served, make_review, post, serving
from webhook.core.decision import Allow, Decision, Deny
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity, unjudged
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS, VALIDATE_PODS, VALIDATE_WORKLOADS
from webhook.server.limits import Budget
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics

CANARY = "hunter2-canary"
SAMPLED = "line-16"
"""The uid of a review that has its line although it is just allowed."""


async def judge(review: Review, _: Budget) -> Decision:
    findings = (
        Finding("selector-no-match", Severity.WARN, ROOT.child("spec"), "no device matches"),
        Finding("request-count", Severity.DENY, ROOT.child("spec"), "must be less"),
        unjudged(ROOT, "config-schema", "the driver is unknown"),
    )
    if review.name == "disputed":
        path = ROOT.child("spec", "selectors")
        return Allow((Finding("selector-never-true", Severity.WARN, path, CANARY, disputed=True),))
    return Deny(findings) if review.name.startswith("bad") else Allow(findings[2:])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    handlers = dict.fromkeys((VALIDATE_CLAIMS, VALIDATE_PODS, VALIDATE_WORKLOADS), judge)
    with serving(handlers, tmp_path_factory.mktemp("certs")) as running:
        yield running


def test_t_28_a_decision_is_one_line(server: Served) -> None:
    server.post(body=make_review(uid="line-1", name="bad", dryRun=True))
    line = server.logged(uid="line-1")
    assert line.pop("milliseconds") > 0
    assert line.pop("ts").endswith("Z")
    assert line == {
        "level": "info",
        "msg": "admission",
        "uid": "line-1",
        "endpoint": "/validate/claims",
        "operation": "CREATE",
        "kind": "ResourceClaim",
        "namespace": "team-a",
        "name": "bad",
        "dry_run": True,
        "decision": "deny",
        "rules": ["request-count", "selector-no-match"],
    }


def test_a_generated_name_is_logged(server: Served) -> None:
    server.post(body=make_review(uid=SAMPLED, object={"metadata": {"generateName": "worker-"}}))
    assert server.logged(uid=SAMPLED)["name"] == "worker-"


def test_of_what_is_just_allowed_the_same_tenth_is_logged_everywhere(server: Served) -> None:
    uids = [f"allowed-{number}" for number in range(200)]
    with closing(server.connect()) as connection:
        for uid in uids:
            post(connection, VALIDATE_CLAIMS, make_review(uid=uid))
            post(connection, VALIDATE_WORKLOADS, make_review(uid=uid))
            post(connection, VALIDATE_CLAIMS, make_review(uid=f"denied-{uid}", name="bad"))
        post(connection, VALIDATE_CLAIMS, make_review(uid="the last", name="bad"))
    server.logged(uid="the last")
    logged = Counter(line["uid"] for line in server.log_lines() if line["msg"] == "admission")
    sampled = [uid for uid in uids if logged[uid]]
    assert 5 < len(sampled) < 50
    assert {logged[uid] for uid in sampled} == {2}
    assert {logged[f"denied-{uid}"] for uid in uids} == {1}


def test_t_17_what_users_keep_in_objects_is_nowhere(server: Served) -> None:
    secret = {
        "metadata": {"name": "x", "annotations": {"password": CANARY}},
        "spec": {"containers": [{"env": [{"name": "TOKEN", "value": CANARY}]}]},
        "parameters": {"key": CANARY},
    }
    server.post(
        body=make_review(uid="secret", name="bad", object=secret, oldObject=secret, userInfo={"extra": {"k": [CANARY]}})
    )
    server.post(body=json.dumps(make_review(object=secret)).encode()[:-1])
    server.logged(uid="secret")
    assert CANARY not in json.dumps(server.log_lines())
    assert CANARY.encode() not in server.probe("/metrics").body


def test_decisions_and_findings_are_counted(server: Served) -> None:
    labels = {"endpoint": VALIDATE_PODS, "operation": "CREATE", "kind": "Pod", "dry_run": "false"}
    pod = {"group": "", "version": "v1", "kind": "Pod"}
    server.post(VALIDATE_PODS, make_review(kind=pod, name="bad"))
    server.post(VALIDATE_PODS, make_review(kind=pod))
    assert server.metric("drawbridge_admission_requests_total", **labels, decision="deny") == 1
    assert server.metric("drawbridge_admission_requests_total", **labels, decision="allow") == 1
    assert server.metric("drawbridge_admission_duration_seconds_count", endpoint=VALIDATE_PODS) == 2
    assert server.metric("drawbridge_findings_total", rule="request-count", severity="deny") >= 1
    assert server.metric("drawbridge_unjudged_total", what="config-schema") >= 2


def test_a_disagreement_of_the_two_engines_is_counted_and_logged(server: Served) -> None:
    server.post(body=make_review(uid="disputed-1", name="disputed"))
    assert server.metric("drawbridge_referee_disagreements_total") == 1
    said = server.logged(uid="disputed-1", msg="referee-disagrees")
    assert (said["rule"], said["field"]) == ("selector-never-true", "spec.selectors")


def test_strange_kinds_and_operations_share_one_label(server: Served) -> None:
    for number in range(5):
        server.post(body=make_review(kind={"kind": f"Strange{number}"}, operation=f"OP{number}"))
    labels = {"endpoint": VALIDATE_CLAIMS, "operation": "other", "kind": "other", "dry_run": "false"}
    assert server.metric("drawbridge_admission_requests_total", **labels, decision="allow") == 5
    assert b"Strange" not in server.probe("/metrics").body


def test_t_28_nothing_in_a_review_forges_a_line_of_the_log(server: Served) -> None:
    hostile = 'x\r\n{"msg":"forged"}\u2028{"msg":"forged"}\x85\x1b[2J\x9b2J\u202e\x7f'
    kind = {"group": hostile, "version": hostile, "kind": hostile}
    sent = {"name": f"bad{hostile}", "namespace": hostile, "operation": hostile, "kind": kind}
    server.post(body=make_review(uid=f"forging{hostile}", **sent))
    line = server.logged(uid=f"forging{hostile}")
    assert [line[field] for field in ("kind", "namespace", "operation")] == [hostile] * 3
    assert server.log_text().replace("\n", "").isprintable()
    assert "forged" not in {line["msg"] for line in server.log_lines()}


def test_labels_from_outside_cannot_grow_without_bound() -> None:
    metrics = Metrics()
    for number in range(1000):
        metrics.unjudged(f"what-{number}")
    assert metrics.registry.get_sample_value("drawbridge_unjudged_total", {"what": "other"}) == 800


@pytest.mark.parametrize(
    "name", ["tls_not_after_timestamp_seconds", "build_info", "draining", "ledger_conflicts_total"]
)
def test_what_alerts_ask_for_is_there_from_the_start(server: Served, name: str) -> None:
    assert f"drawbridge_{name}".encode() in server.probe("/metrics").body


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("HEAD", "/livez", 200),
        ("GET", "/readyz", 200),
        ("GET", "/metrics", 200),
        ("POST", "/livez", 405),
        ("GET", "/", 404),
        ("GET", "/validate/claims", 404),
        ("GET", "/metrics/", 404),
    ],
)
def test_the_plain_port_serves_probes_alone(server: Served, method: str, path: str, status: int) -> None:
    assert server.probe(path, method).status == status


def test_errors_of_the_server_library_reach_the_log_without_their_text(server: Served) -> None:
    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n", exc_info=ValueError(CANARY))
    line = server.logged(msg="server")
    assert (line["error"], line["what"]) == ("ValueError", "Exception in ASGI application")


class Stuck(io.StringIO):
    """A stream that nobody reads: a write waits until it is freed."""

    def __init__(self) -> None:
        super().__init__()
        self.freed = threading.Event()

    def write(self, text: str) -> int:
        self.freed.wait(20)
        return super().write(text)


def test_a_reader_that_stops_reading_costs_lines_and_no_time() -> None:
    stream = Stuck()
    dropped: list[int] = []
    sink = LineSink(stream, lambda: dropped.append(1))
    log = make_log(sink)
    for number in range(25_000):
        log.info("line", number=number)
    assert dropped
    stream.freed.set()
    sink.close(10)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(lines) + len(dropped) == 25_000


def test_what_is_queued_is_written_at_the_end() -> None:
    stream = io.StringIO()
    sink = LineSink(stream)
    make_log(sink).warning("last words")
    sink.close()
    assert json.loads(stream.getvalue())["msg"] == "last words"


def test_a_line_is_written_whatever_its_fields_are() -> None:
    stream = io.StringIO()
    sink = LineSink(stream)
    log = make_log(sink)
    log.info("odd", path=stream, text="half a \ud800 pair")
    log.bind(component="folder").info("bound", number=2**70)
    sink.close()
    odd, bound = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (odd["msg"], odd["text"]) == ("odd", "half a \ud800 pair")
    assert (bound["component"], bound["number"]) == ("folder", 2**70)
