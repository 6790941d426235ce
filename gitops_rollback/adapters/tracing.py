"""Sends the trace of each rollback that ended to an OpenTelemetry collector, by OTLP over HTTP.

On where `OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is set; the library's own variables
hold for headers, certificates and the name of the service. Where it is off nothing of OpenTelemetry is imported.
A collector that does not answer is never in the way: spans wait in a bounded queue of a thread of its own.
"""

from __future__ import annotations

import importlib.util
import logging
import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import structlog

from gitops_rollback import __version__
from gitops_rollback.adapters.extras import install
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.trace import Span, Trace

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
TIMEOUT_SECONDS = 5.0
LAST_WORDS_SECONDS = 3.0
log = structlog.get_logger()


class Traces:
    """Thread-safe; `exporter` None sends to the endpoint that the environment names."""

    def __init__(self, exporter: SpanExporter | None = None) -> None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        _hear_the_library()
        self._queue = BatchSpanProcessor(exporter or OTLPSpanExporter(timeout=TIMEOUT_SECONDS))
        ours = Resource({"service.name": "gitops-rollback", "service.version": __version__})
        self._resource = ours.merge(OTELResourceDetector().detect())

    def send(self, trace: Trace) -> None:
        """Put the trace into the queue; never waits, never raises for a collector."""
        for span in (trace.root, *trace.phases):
            self._queue.on_end(self._span(trace, span))

    def close(self) -> None:
        """Send what waits, for a moment."""
        thread = threading.Thread(target=self._queue.shutdown, name="last traces", daemon=True)
        thread.start()
        thread.join(LAST_WORDS_SECONDS)

    def _span(self, trace: Trace, span: Span) -> ReadableSpan:
        from opentelemetry.sdk.trace import ReadableSpan
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope
        from opentelemetry.trace import SpanContext, Status, StatusCode, TraceFlags

        def context(one: Span) -> SpanContext:
            return SpanContext(trace.id, one.id, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

        is_root = span is trace.root
        failed = is_root and trace.failed
        return ReadableSpan(
            span.name,
            context=context(span),
            parent=None if is_root else context(trace.root),
            resource=self._resource,
            attributes=trace.attributes,
            status=Status(StatusCode.ERROR, trace.message) if failed else Status(StatusCode.UNSET),
            start_time=_nanoseconds(span.start),
            end_time=_nanoseconds(span.end),
            instrumentation_scope=InstrumentationScope("gitops-rollback", __version__),
        )


def traces_of(environ: Mapping[str, str]) -> Traces | None:
    """None where no collector is named. Raises: SettingsInvalid where one is, and the library is missing."""
    named = next((name for name in ENDPOINTS if environ.get(name)), None)
    if named is None:
        return None
    if importlib.util.find_spec("opentelemetry") is None:
        raise SettingsInvalid(named, f"traces need more packages: {install('otel')}, or unset it")
    return Traces()


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000


class _Told(logging.Handler):
    """What the library has to say goes into our log, as all else."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("sends no traces", error=record.getMessage())


def _hear_the_library() -> None:
    library = logging.getLogger("opentelemetry")
    library.propagate = False
    if not any(isinstance(one, _Told) for one in library.handlers):
        library.addHandler(_Told(logging.WARNING))
