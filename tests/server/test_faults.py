"""Faults are answered with a status outside 2xx, so that failurePolicy decides; never with `allowed: false`."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.serving import Served, allow, make_review, read_answer, serving
from webhook.core.decision import Decision
from webhook.core.errors import BadReviewError, ClusterUnavailableError
from webhook.core.review import Review
from webhook.server.app import (
    MUTATE_CLAIMS,
    MUTATE_PODS,
    VALIDATE_CLAIMS,
    VALIDATE_CONFIG,
    VALIDATE_PODS,
    VALIDATE_WORKLOADS,
)
from webhook.server.limits import Budget, Limits

CANARY = "s3cr3t-canary"


async def crash(review: Review, _: Budget) -> Decision:
    raise KeyError(f"{CANARY} {review.object}")


async def no_cluster(_: Review, __: Budget) -> Decision:
    raise ClusterUnavailableError("the quota has no status yet")


async def refuse(_: Review, __: Budget) -> Decision:
    raise BadReviewError("the object must be a ResourceClaim")


async def recurse(review: Review, budget: Budget) -> Decision:
    return await recurse(review, budget)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    handlers = {
        VALIDATE_CLAIMS: allow,
        MUTATE_CLAIMS: refuse,
        VALIDATE_PODS: crash,
        VALIDATE_CONFIG: no_cluster,
        VALIDATE_WORKLOADS: recurse,
    }
    with serving(handlers, tmp_path_factory.mktemp("certs"), limits=Limits(body=200_000)) as running:
        yield running


def test_fm_35_a_review_is_answered_with_its_uid(server: Served) -> None:
    answer = server.post()
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "server" not in answer.headers
    assert json.loads(answer.body) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {"uid": "0b4cd2c8", "allowed": True},
    }


def changed(**fields: Any) -> bytes:
    return json.dumps({**make_review(), **fields}).encode()


def request_with(**fields: Any) -> bytes:
    return json.dumps(make_review(**fields)).encode()


def object_holding(text: bytes) -> bytes:
    return json.dumps(make_review(object={"spec": "HERE"})).encode().replace(b'"HERE"', text)


UNREADABLE = {
    "an empty body": b"",
    "half a document": b'{"apiVersion":',
    "a document and more": request_with() + b"x",
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "NaN": object_holding(b"NaN"),
    "Infinity": object_holding(b"-Infinity"),
    "bytes that are not UTF-8": object_holding(b'"\xff\xfe"'),
    "half a surrogate pair as bytes": object_holding(b'"\xed\xa0\x80"'),
    "a byte order mark": b"\xef\xbb\xbf" + request_with(),
    "UTF-16": request_with().decode().encode("utf-16"),
    "a comment": object_holding(b"1 /* one */"),
    "a trailing comma": object_holding(b"[1,]"),
    "a number with a leading zero": object_holding(b"01"),
    "a line break inside a string": object_holding(b'"a\nb"'),
    "nesting deeper than 10,000": object_holding(b"[" * 10_000 + b"]" * 10_000),
    "a bomb of opening brackets": b"[" * 199_000,
    "a bomb of opening braces": b'{"a":' * 39_000,
    "another kind": changed(kind="ConversionReview"),
    "an older version": changed(apiVersion="admission.k8s.io/v1beta1"),
    "no version": json.dumps({"kind": "AdmissionReview", "request": {}}).encode(),
    "no request": changed(request=None),
    "a request that is no object": changed(request=[]),
    "no uid": request_with(uid=None),
    "an empty uid": request_with(uid=""),
    "a uid that is a number": request_with(uid=7),
    "CREATE without an object": request_with(object=None),
    "an object that is a list": request_with(object=[]),
    "a name that is a number": request_with(name=5),
    "groups that are no strings": request_with(userInfo={"groups": [1]}),
    "dryRun that is a string": request_with(dryRun="true"),
    "a kind that is a string": request_with(kind="Pod"),
}


@pytest.mark.parametrize("body", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_what_is_no_review_is_400(server: Served, body: bytes) -> None:
    answer = server.post(body=body)
    assert answer.status == 400
    assert b"allowed" not in answer.body
    assert len(answer.body) < 200


READABLE = {
    "the largest exponents": b"[1e400, -1e-400, 1E+99999999]",
    "an integer of a hundred digits": b"9" * 100,
    "an integer of a hundred thousand digits": b"9" * 100_000,
    "half an escaped surrogate pair": b'"\\ud800"',
    "a null byte, escaped": b'"\\u0000"',
    "nesting of 9,900": b"[" * 9_900 + b"]" * 9_900,
    "nesting of 900 objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "duplicate keys": b'{"a": 1, "a": 2}',
    "fields of wrong types": b'{"metadata": 1, "spec": [null]}',
}


@pytest.mark.parametrize("text", READABLE.values(), ids=READABLE.keys())
def test_odd_json_inside_the_object_is_answered(server: Served, text: bytes) -> None:
    answer = server.post(body=object_holding(text))
    assert answer.status == 200
    assert answer.response["allowed"] is True


def test_a_lone_surrogate_in_the_uid_is_answered(server: Served) -> None:
    answer = server.post(body=request_with(uid="HERE").replace(b"HERE", b"\\ud800"))
    assert answer.status == 200
    assert answer.response["uid"] == "\ufffd"


@pytest.mark.parametrize(
    "path", ["/", "/validate", "/validate/claims/", "/validate/claim", MUTATE_PODS, "/docs", "/livez"]
)
def test_an_unknown_path_is_404(server: Served, path: str) -> None:
    assert server.post(path).status == 404


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_another_method_is_405(server: Served, method: str) -> None:
    connection = server.connect()
    connection.request(method, VALIDATE_CLAIMS)
    answer = read_answer(connection.getresponse())
    connection.close()
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize("kind", ["text/plain", "application/jsonx", "application/json; charset=utf-16", "", "*/*"])
def test_another_content_type_is_415(server: Served, kind: str) -> None:
    assert server.post(headers={"Content-Type": kind}).status == 415


@pytest.mark.parametrize(
    "kind", ["Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"']
)
def test_json_in_other_spellings_is_read(server: Served, kind: str) -> None:
    assert server.post(headers={"Content-Type": kind}).status == 200


def test_no_content_type_is_415(server: Served) -> None:
    connection = server.connect()
    connection.request("POST", VALIDATE_CLAIMS, request_with())
    assert read_answer(connection.getresponse()).status == 415
    connection.close()


@pytest.mark.parametrize("encoding", ["gzip", "identity", "br"])
def test_any_content_encoding_is_415(server: Served, encoding: str) -> None:
    assert server.post(headers={"Content-Encoding": encoding}).status == 415


def test_a_body_at_the_limit_is_read(server: Served) -> None:
    body = request_with()
    assert server.post(body=body + b" " * (200_000 - len(body))).status == 200


def test_a_body_over_the_limit_is_413(server: Served) -> None:
    body = request_with()
    answer = server.post(body=body + b" " * (200_001 - len(body)))
    assert answer.status == 413
    assert answer.headers["connection"] == "close"


def test_a_body_said_to_be_too_large_is_refused_before_it_is_sent(server: Served) -> None:
    connection = server.connect()
    connection.putrequest("POST", VALIDATE_CLAIMS)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(8 << 30))
    connection.endheaders()
    assert read_answer(connection.getresponse()).status == 413
    connection.close()


def test_t_04_a_streamed_body_over_the_limit_is_refused_before_its_end(server: Served) -> None:
    connection = server.connect()
    connection.putrequest("POST", VALIDATE_CLAIMS)
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.endheaders()
    for _ in range(5):
        connection.send(b"%x\r\n%b\r\n" % (50_000, b" " * 50_000))
    assert read_answer(connection.getresponse()).status == 413
    connection.close()


def test_a_streamed_body_is_read(server: Served) -> None:
    connection = server.connect()
    connection.request(
        "POST",
        VALIDATE_CLAIMS,
        iter([request_with()[:50], request_with()[50:]]),
        {"Content-Type": "application/json"},
        encode_chunked=True,
    )
    assert read_answer(connection.getresponse()).status == 200
    connection.close()


def test_t_19_a_bug_is_500_and_tells_nothing(server: Served) -> None:
    answer = server.post(VALIDATE_PODS, make_review(uid="bug-1", object={"spec": {"env": CANARY}}))
    assert answer.status == 500
    assert CANARY.encode() not in answer.body
    assert b"Traceback" not in answer.body
    assert server.metric("drawbridge_faults_total", endpoint=VALIDATE_PODS, code="500") >= 1


def test_t_17_a_bug_is_logged_with_the_uid_and_without_what_the_user_sent(server: Served) -> None:
    server.post(VALIDATE_PODS, make_review(uid="bug-2", object={"spec": {"env": CANARY}}))
    line = server.logged(uid="bug-2")
    assert (line["msg"], line["level"], line["error"]) == ("bug", "error", "KeyError")
    assert any("crash" in frame for frame in line["where"])
    assert CANARY not in json.dumps(server.log_lines())


def test_a_rule_that_recurses_too_deeply_is_500(server: Served) -> None:
    assert server.post(VALIDATE_WORKLOADS).status == 500


def test_a_cluster_that_cannot_be_had_is_503_with_retry_after(server: Served) -> None:
    answer = server.post(VALIDATE_CONFIG)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


def test_a_handler_may_refuse_a_review_as_unreadable(server: Served) -> None:
    answer = server.post(MUTATE_CLAIMS)
    assert (answer.status, answer.body) == (400, b"the object must be a ResourceClaim\n")


def test_a_connection_serves_on_after_a_fault(server: Served) -> None:
    connection = server.connect()
    for body, status in ((b"x", 400), (request_with(), 200), (b"", 400), (request_with(), 200)):
        connection.request("POST", VALIDATE_CLAIMS, body, {"Content-Type": "application/json"})
        assert read_answer(connection.getresponse()).status == status
    connection.close()


def test_an_upgrade_is_refused_and_ends_the_connection(server: Served) -> None:
    answer = server.post(headers={"Connection": "Upgrade", "Upgrade": "websocket"})
    assert answer.status == 400
    assert answer.headers["connection"] == "close"


def test_a_caller_that_waits_for_100_continue_gets_it(server: Served) -> None:
    body = request_with()
    head = f"POST {VALIDATE_CLAIMS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    with server.raw() as connection:
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_caller_that_waits_with_too_large_a_body_is_refused_at_once(server: Served) -> None:
    head = f"POST {VALIDATE_CLAIMS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nExpect: 100-continue\r\n"
    with server.raw() as connection:
        connection.sendall(f"{head}Content-Length: 9999999\r\n\r\n".encode())
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")
