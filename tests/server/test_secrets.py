"""A server as a process of its own is asked all kinds of things: it keeps secrets, and starts no program."""

import base64
import copy
import json
import re
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from typing import Any

import pytest

from tests.controlplane.drawbridge import SERVING
from tests.controlplane.programs import Program, Programs
from tests.controlplane.waiting import wait_for
from tests.fuzz.review_changes import CLUSTER, EXAMPLES, review_of, stored_objects
from tests.support.serving import Answer, post, read_answer
from webhook.kube.manifests import Document, read_documents
from webhook.server.app import (
    MUTATE_CLAIMS,
    MUTATE_PODS,
    VALIDATE_CLAIMS,
    VALIDATE_CONFIG,
    VALIDATE_PODS,
    VALIDATE_WORKLOADS,
)

Json = dict[str, Any]

CANARY = "hunter2-canary"
ENDPOINTS = (MUTATE_CLAIMS, MUTATE_PODS, VALIDATE_CLAIMS, VALIDATE_CONFIG, VALIDATE_PODS, VALIDATE_WORKLOADS)
STARTED = "a program was started"
# Python tells of each program that is started, by whatever library (https://peps.python.org/pep-0578/).
HOOKED = f"""
import sys
STARTS = ("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.")
def heard(event, arguments):
    if event.startswith(STARTS):
        print({STARTED!r}, event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(heard)
from webhook.cli import main
main()
"""


@dataclass(frozen=True, slots=True)
class Server:
    """The process, and how it is asked; `answers` are all that it has given."""

    program: Program
    health_port: int
    connection: HTTPSConnection
    answers: list[Answer]

    def ask(self, path: str, body: bytes | Json, headers: Mapping[str, str] | None = None) -> None:
        self.answers.append(post(self.connection, path, body, headers))

    def metrics(self) -> str:
        connection = HTTPConnection("127.0.0.1", self.health_port, timeout=20)
        try:
            connection.request("GET", "/metrics")
            return read_answer(connection.getresponse()).body.decode()
        finally:
            connection.close()


def with_secrets(raw: Json) -> Json:
    """Return the object with canaries wherever users keep secrets, and nowhere that a rule has to quote."""
    changed: Json = copy.deepcopy(raw)
    metadata = changed.setdefault("metadata", {})
    metadata["annotations"] = {**(metadata.get("annotations") or {}), "example.com/password": CANARY}
    metadata["managedFields"] = [{"manager": CANARY, "fieldsV1": {CANARY: {}}}]
    for pod in _pod_specs(changed):
        for container in pod.get("containers") or ():
            container["env"] = [{"name": "TOKEN", "value": CANARY}, {"name": CANARY, "value": "x"}]
            container["args"] = ["--token", CANARY]
        pod["imagePullSecrets"] = [{"name": CANARY}]
    for devices in _device_specs(changed):
        opaque = {"driver": "keys.example.com", "parameters": {"apiVersion": "v1", "kind": "Key", "value": CANARY}}
        devices["config"] = [*(devices.get("config") or ()), {"opaque": opaque}]
    return changed


def _inner(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _inner(inner)


def _pod_specs(raw: Json) -> list[Json]:
    return [one for one in _inner(raw) if isinstance(one.get("containers"), list)]


def _device_specs(raw: Json) -> list[Json]:
    return [one["devices"] for one in _inner(raw.get("spec")) if isinstance(one.get("devices"), dict)]


def review_with_secrets(raw: Json, operation: str, number: int) -> Json:
    review = review_of(with_secrets(raw), operation, number)
    extra = {"example.com/token": [CANARY], CANARY: ["x"]}
    review["request"]["userInfo"] = {"username": "ann", "uid": CANARY, "groups": [CANARY], "extra": extra}
    review["request"]["options"] = {"kind": "CreateOptions", "fieldManager": CANARY}
    return review


def faulty_bodies() -> list[bytes]:
    """Return bodies that are refused, with secrets at every place where a parser might quote them."""
    review = review_with_secrets(next(stored_objects()), "CREATE", 1)
    whole = json.dumps(review).encode()
    bent = [
        {**review, "request": {**review["request"], field: value}}
        for field in ("uid", "operation", "kind", "object", "userInfo", "dryRun", "name")
        for value in (7, [CANARY], {CANARY: CANARY})
    ]
    cut = [whole[:-1], whole + CANARY.encode(), whole.replace(b'"TOKEN"', b"TOKEN"), CANARY.encode(), b"\xff" + whole]
    named = [{**review, "kind": CANARY}, {**review, "apiVersion": CANARY}, {CANARY: CANARY}, [CANARY]]
    return [*cut, *(json.dumps(one).encode() for one in (*bent, *named))]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that was asked everything."""
    folder = tmp_path_factory.mktemp("serve")
    places = ["--cluster", CLUSTER, "--ledger", folder / "ledger", "--cert-dir", folder / "certs"]
    ports = ["--port", "0", "--health-port", "0", "--drain-seconds", "0", "--write-templates", folder]
    with Programs(folder / "logs") as programs:
        command = [sys.executable, "-c", HOOKED, "serve", *map(str, (*places, *ports))]
        program = programs.start("serve", command)
        found = program.wait_for_output(SERVING)
        trust = ssl.create_default_context(cafile=str(folder / "certs" / "ca.crt"))
        with closing(HTTPSConnection("127.0.0.1", int(found[2]), context=trust, timeout=20)) as connection:
            asked = Server(program, int(found[4]), connection, [])
            _ask_everything(asked)
            yield asked


def _documents(file: Path) -> Sequence[Document]:
    return read_documents(str(file), file.read_bytes())[0]


def _ask_everything(server: Server) -> None:
    kinds = {raw["kind"]: raw for raw in stored_objects()}
    examples = [document.raw for file in EXAMPLES.glob("[!c]*/*.yaml") for document in _documents(file)]
    misspelt = [document.raw for document in _documents(EXAMPLES / "claims" / "misspelt-attribute.yaml")]
    for number, raw in enumerate((*kinds.values(), *examples, *misspelt)):
        for path in ENDPOINTS:
            server.ask(path, review_with_secrets(dict(raw), "CREATE", number))
        server.ask(VALIDATE_CLAIMS, review_with_secrets(dict(raw), ("UPDATE", "DELETE")[number % 2], number))
    for body in faulty_bodies():
        server.ask(ENDPOINTS[len(server.answers) % len(ENDPOINTS)], body)
    pod = review_with_secrets(kinds["Pod"], "CREATE", 0)
    server.ask(f"{VALIDATE_PODS}?timeout={CANARY}", pod)
    server.ask(f"/{CANARY}", pod)
    server.ask(VALIDATE_PODS, pod, {"Content-Type": CANARY})
    server.ask(VALIDATE_PODS, pod, {"Authorization": f"Bearer {CANARY}", "Cookie": CANARY, "traceparent": CANARY})


def test_t_17_a_server_keeps_secrets_to_itself(server: Server) -> None:
    statuses = {answer.status for answer in server.answers}
    assert {200, 400, 404, 415} <= statuses
    responses = [answer.response for answer in server.answers if answer.status == 200]
    assert {response["allowed"] for response in responses} == {True, False}
    assert any("patch" in response for response in responses)
    assert any("warnings" in response for response in responses)
    told = [answer.body for answer in server.answers]
    told += [base64.b64decode(response["patch"]) for response in responses if "patch" in response]
    assert [text for text in told if CANARY.encode() in text] == []
    assert CANARY not in server.metrics()
    denied = sum(not response["allowed"] for response in responses)
    wait_for("line of each denial", lambda: server.program.output().count('"decision":"deny"') == denied)
    assert CANARY not in server.program.output()
    written = [file.read_text() for file in server.program.log.parent.parent.rglob("*.yaml")]
    assert written
    assert [text for text in written if CANARY in text] == []


def test_a_server_starts_no_program(server: Server) -> None:
    assert STARTED not in server.program.output()
    children = Path(f"/proc/{server.program.pid}/task").glob("*/children")
    assert [file.read_text() for file in children if file.read_text()] == []


def test_every_line_of_its_log_is_one_object(server: Server) -> None:
    lines = [line for line in server.program.output().splitlines() if not re.match(SERVING, line)]
    assert len(lines) > 10
    assert {type(json.loads(line)) for line in lines} == {dict}
