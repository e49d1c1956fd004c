"""The admission application over a cluster of all that it judges by, and what must hold of each of its answers."""

import asyncio
import base64
import io
import json
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml
from starlette.types import ASGIApp, Message

from tests.fuzz.review_changes import CLUSTER, SHIPPED
from tests.support.judging import admission_over
from webhook.bootstrap.admission import Admission
from webhook.core.patch import Operation, apply
from webhook.server.app import Needs, create_app
from webhook.server.limits import Limits
from webhook.server.log import LineSink, make_log
from webhook.server.metrics import Metrics
from webhook.server.work import Work

JSON_TYPE = (b"content-type", b"application/json")
MOST_BYTES, MOST_TIMES = 32_768, 5
"""What an answer may be long: findings, causes and warnings are counted, and a patch says again what is in the body."""
OF_PYTHON = (b"Traceback (most recent", b'.py", line ', b" object at 0x", b"KeyError", b"TypeError", b"NoneType")


REFUSING = ("admin-access", "device-limits")
"""The shipped policies that refuse here; the others warn, so that quotas are asked too."""
DEFAULTS = """
apiVersion: drawbridge.dev/v1alpha1
kind: ClaimPolicy
metadata: {name: defaults}
spec:
  match: {resources: [claims, templates]}
  defaults:
  - label: {key: team, value: lab}
  - toleration: {key: example.com/lab, operator: Exists}
  - capacity: {name: memory, quantity: 10Gi}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class Asked(Protocol):
    """Who answers, in this process or behind a socket."""

    @property
    def paths(self) -> Sequence[str]:
        """The endpoints."""

    def ask(self, path: str, body: bytes) -> Answer:
        """Return what an endpoint answers to a body."""

    def bugs(self) -> list[str]:
        """Return the errors that were logged lately."""


class LastErrors(io.StringIO):
    """Where the log goes: only the last lines of level error are kept."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=20)

    def write(self, text: str) -> int:
        self.lines.extend(line for line in text.splitlines() if '"level":"error"' in line)
        return len(text)


class Gate:
    """The application, asked one request after the other."""

    def __init__(self, app: ASGIApp, paths: Sequence[str], errors: LastErrors) -> None:
        self.paths = tuple(paths)
        self._app = app
        self._errors = errors
        self._loop = asyncio.new_event_loop()

    def ask(self, path: str, body: bytes) -> Answer:
        return self._loop.run_until_complete(self._asked(path, body))

    async def _asked(self, path: str, body: bytes) -> Answer:
        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"timeout=30s", "headers": [JSON_TYPE]}
        said: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            said.append(message)

        await self._app(scope, receive, send)
        return Answer(said[0]["status"], b"".join(message.get("body", b"") for message in said[1:]))

    def bugs(self) -> list[str]:
        """Return the errors that were logged lately; lines are written a moment after the answer."""
        time.sleep(0.2)
        return list(self._errors.lines)

    def close(self) -> None:
        self._loop.close()


@contextmanager
def admission() -> Iterator[Admission]:
    """Admission over the examples' cluster with the shipped policies and defaults, and a ledger in memory."""
    with tempfile.TemporaryDirectory() as folder:
        policies = [yaml.safe_load(file.read_text()) for file in sorted(SHIPPED.glob("pack/*/policy.yaml"))]
        for policy in policies:
            policy["spec"]["mode"] = "Deny" if policy["metadata"]["name"] in REFUSING else "Warn"
        Path(folder, "policies.yaml").write_text(yaml.safe_dump_all([*policies, yaml.safe_load(DEFAULTS)]))
        with admission_over([CLUSTER, Path(folder)]) as over:
            yield over


@contextmanager
def gate() -> Iterator[Gate]:
    """The application in this process, without sockets."""
    errors = LastErrors()
    sink = LineSink(errors)
    with admission() as asked:
        handlers = asked.handlers()
        work = Work(1)
        made = Gate(create_app(Needs(handlers, Metrics("fuzz"), make_log(sink), work)), tuple(handlers), errors)
        try:
            yield made
        finally:
            made.close()
            work.close()
            sink.close()


def hold_for_body(gate: Asked, body: bytes) -> None:
    """Fail unless each endpoint answers the body as it must."""
    for path in gate.paths:
        hold_for_answer(gate, path, body, gate.ask(path, body))


def hold_for_answer(gate: Asked, path: str, body: bytes, answer: Answer) -> None:
    """The answer is a decision on this review, or blames the caller; nothing of Python is in it."""
    assert answer.status == 200 or 400 <= answer.status < 500, (path, answer, gate.bugs())
    assert len(answer.body) < MOST_BYTES + MOST_TIMES * len(body), (path, len(answer.body))
    assert [words for words in OF_PYTHON if words in answer.body and words not in body] == [], (path, answer)
    if answer.status == 200:
        request = _request(body)
        response = json.loads(answer.body)["response"]
        if request is not None:
            assert response["uid"] == request["uid"], path
        _is_decision(path, response, request)
    else:
        assert len(answer.body) < Limits().head
        assert answer.body.count(b"\n") == 1


def _request(body: bytes) -> dict[str, Any] | None:
    """Return the request of a review; None where Python's own reader of JSON cannot say what it is."""
    try:
        document = json.loads(body.decode())
        document["request"]["uid"].encode()
    except (ValueError, RecursionError):
        return None
    found: dict[str, Any] = document["request"]
    return found


def _is_decision(path: str, response: dict[str, Any], request: dict[str, Any] | None) -> None:
    assert isinstance(response["allowed"], bool)
    if response["allowed"]:
        assert "status" not in response
    else:
        status = response["status"]
        assert status["code"] in (403, 422)
        assert status["details"]["causes"]
        assert len(status["message"].split("\n")[0]) > 0
    said = response.get("warnings", [])
    assert len(said) <= 10
    assert all(0 < len(warning) <= 120 for warning in said), said
    assert all(isinstance(text, str) and len(text) <= 16_384 for text in response.get("auditAnnotations", {}).values())
    assert ("patch" in response) == ("patchType" in response)
    if "patch" in response:
        assert path.startswith("/mutate/")
        operations = json.loads(base64.b64decode(response["patch"]))
        if request is not None:
            apply(request["object"], [Operation(one["op"], one["path"], one.get("value")) for one in operations])
