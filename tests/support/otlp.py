"""A collector of traces on loopback: OTLP over HTTP, decoded by OpenTelemetry's own messages."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span

from tests.controlplane.waiting import wait_for


class Collector:
    """What was exported to it so far."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler) -> None:  # noqa: N805 - `self` is the collector
                body = handler.rfile.read(int(handler.headers["content-length"]))
                assert handler.path == "/v1/traces"
                self.received.extend(ExportTraceServiceRequest.FromString(body).resource_spans)
                handler.send_response(200)
                handler.send_header("content-type", "application/x-protobuf")
                handler.send_header("content-length", "0")
                handler.end_headers()

            def log_message(handler, *_: object) -> None:  # noqa: N805 - as above
                """Write nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Span]:
        return [span for each in self.received for scope in each.scope_spans for span in scope.spans]

    def review(self, uid: str) -> tuple[Span, list[Span]]:
        """Wait for the span of a review, and return it with its children in the order of their beginnings."""

        def found() -> Span | None:
            return next(
                (span for span in self.spans() if attributes(span.attributes).get("drawbridge.uid") == uid), None
            )

        whole = wait_for(f"span of review {uid}", found)
        children = [span for span in self.spans() if span.parent_span_id == whole.span_id]
        return whole, sorted(children, key=lambda span: span.start_time_unix_nano)

    @contextmanager
    def listening(self) -> Iterator[None]:
        thread = threading.Thread(target=self._server.serve_forever, name="collector")
        thread.start()
        try:
            yield
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()


def attributes(pairs: Iterable[KeyValue]) -> dict[str, object]:
    """Return attributes as plain values."""
    return {pair.key: _value(pair) for pair in pairs}


def _value(pair: KeyValue) -> object:
    which = pair.value.WhichOneof("value") or "string_value"
    if which == "array_value":
        return [item.string_value for item in pair.value.array_value.values]
    return getattr(pair.value, which)


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()
    with collector.listening():
        yield collector
