"""The admission endpoints: raw ASGI endpoints mounted as routes of a FastAPI application.

FastAPI's own way (models, dependencies, a 422 body of its own) is not taken: its automatic answers are no
AdmissionReview, and reading the body ourselves bounds it before it is held.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from urllib.parse import parse_qs
from zlib import crc32

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from webhook.core.decision import Allow, Decision
from webhook.core.errors import BadReviewError, ClusterUnavailableError
from webhook.core.finding import Severity
from webhook.core.render import PLAIN, Style
from webhook.core.review import Review
from webhook.server.alarm import Alarm
from webhook.server.course import Course, Stage
from webhook.server.lifecycle import Lifecycle, Phase
from webhook.server.limits import Budget, Limits
from webhook.server.log import Log
from webhook.server.metrics import Metrics, outcome
from webhook.server.room import NoRoomError, Room
from webhook.server.rule_faults import RuleFaults, rule_at_fault
from webhook.server.wire import parse_review, render_answer, shown_name
from webhook.server.work import TURN, Work

MUTATE_CLAIMS = "/mutate/claims"
MUTATE_PODS = "/mutate/pods"
VALIDATE_CLAIMS = "/validate/claims"
VALIDATE_PODS = "/validate/pods"
VALIDATE_WORKLOADS = "/validate/workloads"
VALIDATE_CONFIG = "/validate/config"

Handler = Callable[[Review, Budget], Awaitable[Decision]]
Headers = Sequence[tuple[bytes, bytes]]
Trace = Callable[[str, Headers, Course], None]
"""Takes the endpoint, the headers and the course of a request that was answered."""

ALLOWS_A_LINE = 10
"""Of so many reviews that are allowed without a word, one is logged; metrics count them all."""

_RETRY_AFTER_SECONDS = b"1"
_LINGER_SECONDS = 2.0
_BYTES_A_LIST = 80
_BYTES_AN_OBJECT = 250
_JSON_TYPE = re.compile(rb"application/json[ \t]*(?:;[ \t]*charset=\"?utf-8\"?[ \t]*)?", re.IGNORECASE)
_NAMESPACE = re.compile(rb'"namespace"\s*:\s*"([^"\\]*)"|"operation"\s*:')
_HEAD_BYTES = 4096
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True)
class Needs:
    """All that the endpoints are given. `handlers` decide, by path; `clock` is monotonic, in seconds.

    `trace` is told of every request once it is answered.
    """

    handlers: Mapping[str, Handler]
    metrics: Metrics
    log: Log
    work: Work
    clock: Callable[[], float] = monotonic
    limits: Limits = field(default_factory=Limits)
    lifecycle: Lifecycle = field(default_factory=Lifecycle)
    style: Style = PLAIN
    trace: Trace | None = None
    faults: RuleFaults = field(default_factory=RuleFaults)


class FaultError(Exception):
    """No decision can be given: the status, so that failurePolicy decides, and a text that repeats no input."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


class AdmissionApp(FastAPI):
    """FastAPI with the shortest way to its admission routes: by their paths, past middleware that has nothing to do.

    Each endpoint answers for its own faults. benchmarks/RESULTS.md has what the way through the middleware costs.
    """

    def __init__(self, endpoints: Mapping[str, ASGIApp], elsewhere: ASGIApp) -> None:
        super().__init__(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        self._endpoints = endpoints
        self.router.routes = [Route(path, endpoint, name=path) for path, endpoint in endpoints.items()]
        self.router.default = elsewhere

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        endpoint = self._endpoints.get(scope.get("path", ""))
        if endpoint is None:
            await super().__call__(scope, receive, send)
        else:
            await endpoint(scope, receive, send)


def create_app(needs: Needs) -> FastAPI:
    """Return the application that answers at the paths of the handlers, and 404 everywhere else."""
    room = Room(needs.limits)
    needs.work.lane.computing = lambda: room.computing
    needs.metrics.deciding.set_function(lambda: room.deciding)
    needs.metrics.waiting.set_function(lambda: room.waiting)
    needs.metrics.start_at_zero(needs.handlers)

    async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 - ASGI
        await _refuse(FaultError(404, "no such endpoint"), "other", needs.metrics, receive, send)

    endpoints = {path: Endpoint(path, handler, needs, room) for path, handler in needs.handlers.items()}
    return AdmissionApp(endpoints, elsewhere)


class Endpoint:
    """One admission endpoint: an ASGI application."""

    def __init__(self, path: str, handler: Handler, needs: Needs, room: Room) -> None:
        self._path = path
        self._mutating = path.startswith("/mutate/")
        self._handler = handler
        self._needs = needs
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        course = Course(self._needs.clock)
        body = _Body(self._room, self._needs)
        try:
            raw = await body.read(_declared_length(scope, self._needs), receive)
            if raw is None:
                return
            self._needs.metrics.body_bytes.observe(len(raw))
            answer = await self._answer(raw, wanted_seconds(scope["query_string"]), course)
        except FaultError as fault:
            course.status = fault.status
            course.enter(Stage.WRITE)
            await _refuse(fault, self._path, self._needs.metrics, receive, send)
        else:
            course.status = 200
            await send({"type": "http.response.start", "status": 200, "headers": _json_headers(answer)})
            await send({"type": "http.response.body", "body": answer})
        finally:
            body.release()
            self._ended(course, scope["headers"])

    def _ended(self, course: Course, headers: Headers) -> None:
        course.end()
        self._needs.metrics.spent(self._path, course.spent)
        if course.status and self._needs.trace is not None:
            self._needs.trace(self._path, headers, course)

    async def _answer(self, raw: bytes, seconds: float | None, course: Course) -> bytes:
        limits = self._needs.limits
        namespace = asked_namespace(raw)
        place = self._room.enter_now(namespace)
        if place is None:
            course.enter(Stage.WAIT)
            try:
                place = await self._room.enter(namespace)
            except NoRoomError as full:
                raise _overloaded(self._needs.metrics, full.reason) from None
        TURN.set(place)
        alarm = Alarm(limits.answer_seconds if seconds is None else seconds)
        try:
            course.enter(Stage.PARSE)
            course.review = await self._review(raw, seconds)
            return await self._decide(course.review, self._budget(course, seconds))
        except BadReviewError as error:
            raise FaultError(400, str(error)) from None
        except asyncio.CancelledError:
            if not alarm.answered_for():
                raise
            self._needs.log.warning("too-late", uid=course.review.uid if course.review else "", endpoint=self._path)
            raise _overloaded(self._needs.metrics, "late") from None
        finally:
            alarm.off()
            place.leave()

    async def _review(self, raw: bytes, seconds: float | None) -> Review:
        if len(raw) <= self._needs.limits.small_body:
            return parse_review(raw, seconds)
        return await self._needs.work.run(parse_review, raw, seconds)

    def _budget(self, course: Course, timeout: float | None) -> Budget:
        """Return 2 s from now, but no more than half a second less than the caller waits (contract 7.2)."""
        deadline = self._needs.clock() + self._needs.limits.work_seconds
        if timeout is not None:
            deadline = min(deadline, course.started + max(timeout - 0.5, timeout / 10))
        return Budget(deadline, self._needs.clock, course, self._needs.work.lane.give_way)

    async def _decide(self, review: Review, budget: Budget) -> bytes:
        needs, course = self._needs, budget.course
        try:
            course.enter(Stage.JUDGE)
            decision = await self._handler(review, budget)
            course.enter(Stage.WRITE)
            answer = render_answer(review, decision, mutating=self._mutating, style=needs.style)
        except BadReviewError:
            raise
        except ClusterUnavailableError as error:
            needs.log.warning("unavailable", uid=review.uid, endpoint=self._path, why=str(error))
            raise _overloaded(needs.metrics, "unavailable") from None
        except Exception as error:  # whatever a rule raises, failurePolicy decides and not a lost connection
            rule = rule_at_fault(error)
            needs.log.exception("bug", uid=review.uid, endpoint=self._path, rule=rule)
            if rule:
                needs.faults.note(rule)
                needs.metrics.rule_faults.labels(rule).inc()
            raise FaultError(500, "an error inside Drawbridge; its log has the review's uid") from None
        course.decision = decision
        seconds = needs.clock() - course.started
        needs.metrics.decided(self._path, review, decision, seconds)
        self._log(review, decision, seconds)
        return answer

    def _log(self, review: Review, decision: Decision, seconds: float) -> None:
        """Write a line for every decision that does or says something, and for one in ten of the others."""
        for finding in decision.findings:
            if finding.disputed:
                self._needs.log.warning("referee-disagrees", uid=review.uid, rule=finding.rule, field=str(finding.path))
        is_plain = isinstance(decision, Allow) and not decision.patch and outcome(decision) == "allow"
        if is_plain and not is_sampled(review.uid):
            return
        said = (finding.rule for finding in decision.findings if finding.severity is not Severity.INFO)
        self._needs.log.info(
            "admission",
            uid=review.uid,
            endpoint=self._path,
            operation=review.operation,
            kind=review.kind.name,
            namespace=review.namespace,
            name=shown_name(review),
            dry_run=review.dry_run,
            decision=outcome(decision),
            rules=sorted(set(said)),
            milliseconds=round(seconds * 1000, 3),
        )


def is_sampled(uid: str) -> bool:
    """Return whether a review that is just allowed has its line: the same ones whoever asks, one in ten."""
    return crc32(uid.encode("utf-8", "replace")) % ALLOWS_A_LINE == 0


async def _refuse(fault: FaultError, endpoint: str, metrics: Metrics, receive: Receive, send: Send) -> None:
    """Answer with the fault's status and a line of text."""
    metrics.fault(endpoint, fault.status)
    text = fault.text.encode() + b"\n"
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(text)).encode()),
        *fault.headers,
    ]
    await send({"type": "http.response.start", "status": fault.status, "headers": headers})
    lingering = fault.status == 413
    await send({"type": "http.response.body", "body": text, "more_body": lingering})
    if lingering:
        await _discard(receive)
        await send({"type": "http.response.body", "body": b""})


class _Body:
    """Reads one body within the limits, and accounts for what it takes until it is answered."""

    def __init__(self, room: Room, needs: Needs) -> None:
        self._room = room
        self._limits = needs.limits
        self._metrics = needs.metrics
        self._held = 0

    async def read(self, declared: int, receive: Receive) -> bytes | None:
        """Return the whole body; None if the caller has gone; FaultError 413 before more than the limit is held."""
        if declared > self._limits.body:
            raise self._too_large()
        parts: list[bytes] = []
        size = 0
        while (message := await receive())["type"] == "http.request":
            parts.append(message["body"])
            size += len(message["body"])
            if size > self._limits.body:
                raise self._too_large()
            if size > self._limits.small_body:
                self._account(size)
                await self._room.breathe()
            if not message.get("more_body"):
                return self._whole(b"".join(parts))
        return None

    def _whole(self, raw: bytes) -> bytes:
        if len(raw) > self._limits.small_body:
            self._account(len(raw) + _BYTES_A_LIST * raw.count(b"[") + _BYTES_AN_OBJECT * raw.count(b"{"))
        return raw

    def _account(self, size: int) -> None:
        try:
            self._room.hold(size - self._held)
        except NoRoomError as full:
            raise _overloaded(self._metrics, full.reason) from None
        self._held = size

    def _too_large(self) -> FaultError:
        return FaultError(413, f"the body must not exceed {self._limits.body} bytes", (b"connection", b"close"))

    def release(self) -> None:
        self._room.release(self._held)
        self._held = 0


def _declared_length(scope: Scope, needs: Needs) -> int:
    """Return Content-Length, 0 where the body comes in chunks; FaultError for what the head alone rules out."""
    if scope["method"] != "POST":
        raise FaultError(405, "only POST is served here", (b"allow", b"POST"))
    types = []
    length = 0
    for name, value in scope["headers"]:
        if name == b"content-type":
            types.append(value)
        elif name == b"content-length":
            length = int(value)
        elif name == b"content-encoding":
            raise FaultError(415, "the body must not have a content encoding")
    if types != [b"application/json"] and (len(types) != 1 or not _JSON_TYPE.fullmatch(types[0])):
        raise FaultError(415, "the content type must be application/json")
    if needs.lifecycle.phase is Phase.CLOSED:
        raise _overloaded(needs.metrics, "draining")
    return length


async def _discard(receive: Receive) -> None:
    """Read on for a moment: a connection closed with unread bytes is reset, and the caller never sees the answer."""
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while (message := await receive())["type"] == "http.request" and message.get("more_body"):
                pass
    except TimeoutError:
        return


def _overloaded(metrics: Metrics, reason: str) -> FaultError:
    """Return 503 with the integer Retry-After without which the API server does not try again (operations.md 0.2)."""
    metrics.shed(reason)
    return FaultError(503, "try again in a moment", (b"retry-after", _RETRY_AFTER_SECONDS))


def _json_headers(answer: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]


def asked_namespace(raw: bytes) -> str:
    """Return the namespace of a review before it is parsed, empty where it has none, to take turns by.

    The API server writes it before the operation, and what a user may write comes after that.
    """
    found = _NAMESPACE.search(raw, 0, _HEAD_BYTES)
    return (found[1] or b"").decode("latin-1") if found else ""


@lru_cache(maxsize=64)
def wanted_seconds(query: bytes) -> float | None:
    """Return the caller's `?timeout=`, a Go duration such as `10s`; None where there is none that can be read."""
    values = parse_qs(query.decode("latin-1")).get("timeout", [])
    text = values[-1] if values else ""
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    seconds: float = sum(float(number) * _UNITS[unit] for number, unit in parts)
    return min(seconds, 30.0) if seconds > 0 else None
