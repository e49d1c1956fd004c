"""Traces of reviews, exported by OTLP as the standard OTEL_* variables say; needs the extra `otel`.

A trace is made once its request is answered, from the course that it took: no answer waits for one. Batches are sent
on a thread of the SDK's own.
"""

import logging
import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from webhook.server.app import Headers
from webhook.server.course import Course
from webhook.server.log import ForwardHandler, Log
from webhook.server.metrics import outcome

if TYPE_CHECKING:
    from opentelemetry.util.types import Attributes

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_PROTOCOL = "http/protobuf"
_INSTALL = "install the extra `otel` (`pip install 'drawbridge[otel]'`), or unset OTEL_EXPORTER_OTLP_ENDPOINT"
_CONTEXT = {b"traceparent", b"tracestate"}
_FAREWELL_SECONDS = 2.0
_NANOSECONDS = 1_000_000_000


class Tracing:
    """A span for each request that is answered, with a child for each stretch of a stage.

    The trace of a `traceparent` header is continued (https://www.w3.org/TR/trace-context/).
    """

    def __init__(self, version: str, log: Log) -> None:
        """Begin to export; ImportError where the extra is missing, ValueError for variables that cannot be meant."""
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._log = log
        logger = logging.getLogger("opentelemetry")
        logger.handlers = [ForwardHandler(log)]
        logger.propagate = False
        named = Resource({"service.name": "drawbridge", "service.version": version})
        resource = Resource.create().merge(named).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("drawbridge", version)
        self._context = TraceContextTextMapPropagator()

    def trace(self, endpoint: str, headers: Headers, course: Course) -> None:
        """Export what became of a request; a fault in doing so is logged and harms nobody."""
        try:
            self._trace(endpoint, headers, course)
        except Exception:  # noqa: BLE001 - the request is answered, and its connection must live on
            self._log.exception("trace", endpoint=endpoint)

    def _trace(self, endpoint: str, headers: Headers, course: Course) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

        started_at = time.time_ns() - int((time.monotonic() - course.started) * _NANOSECONDS)

        def moment(clock: float) -> int:
            return started_at + int((clock - course.started) * _NANOSECONDS)

        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name in _CONTEXT}
        whole = self._tracer.start_span(
            f"POST {endpoint}",
            self._context.extract(carrier),
            SpanKind.SERVER,
            _attributes(endpoint, course),
            start_time=started_at,
        )
        if whole.is_recording():
            if course.status >= 500:
                whole.set_status(Status(StatusCode.ERROR))
            inside = set_span_in_context(whole)
            for each in course.spent:
                part = self._tracer.start_span(each.stage.value, inside, start_time=moment(each.since))
                part.end(moment(each.until))
        whole.end(moment(course.spent[-1].until))

    def close(self) -> None:
        """Export what is left, but wait no longer than two seconds for a collector that does not answer."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces", daemon=True)
        ending.start()
        ending.join(_FAREWELL_SECONDS)


def _attributes(endpoint: str, course: Course) -> "Attributes":
    """Return what the log line of a decision has too; nothing of what is inside the object."""
    told: dict[str, str | int | bool | tuple[str, ...]] = {
        "http.request.method": "POST",
        "http.route": endpoint,
        "http.response.status_code": course.status,
    }
    review, decision = course.review, course.decision
    if review is not None:
        told |= {
            "drawbridge.uid": review.uid,
            "drawbridge.operation": review.operation,
            "drawbridge.dry_run": review.dry_run,
            "k8s.namespace.name": review.namespace,
            "drawbridge.kind": review.kind.name,
        }
    if decision is not None:
        told |= {
            "drawbridge.decision": outcome(decision),
            "drawbridge.rules": tuple(sorted({finding.rule for finding in decision.findings})),
        }
    return told


def tracing(environment: Mapping[str, str], version: str, log: Log) -> Tracing | None:
    """Return what traces as the variables say; None where they ask for none, or for what cannot be had: a warning."""
    exporters = [each.strip() for each in environment.get("OTEL_TRACES_EXPORTER", "").split(",") if each.strip()]
    if not exporters and not any(environment.get(name) for name in _ENDPOINTS):
        return None
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or exporters == ["none"]:
        return None
    protocol = next((value for name in _PROTOCOLS if (value := environment.get(name))), _PROTOCOL)
    if exporters not in ([], ["otlp"]):
        _warn(log, f"OTEL_TRACES_EXPORTER must be otlp or none, not '{','.join(exporters)}'", "set it to otlp")
    elif protocol != _PROTOCOL:
        fix = f"set OTEL_EXPORTER_OTLP_PROTOCOL to {_PROTOCOL} and the endpoint to the collector's HTTP port (4318)"
        _warn(log, f"the protocol of traces must be {_PROTOCOL}, not '{protocol}'", fix)
    else:
        try:
            return Tracing(version, log)
        except ImportError:
            _warn(log, "the OTEL_* variables ask for traces, and what exports them is not installed", _INSTALL)
        except ValueError as error:
            _warn(
                log, f"the OTEL_* variables cannot be used: {error}", "mend them, or unset OTEL_EXPORTER_OTLP_ENDPOINT"
            )
    return None


def _warn(log: Log, why: str, fix: str) -> None:
    """Say why there are no traces; reviews are decided all the same."""
    log.warning("no-traces", why=why, fix=fix)
