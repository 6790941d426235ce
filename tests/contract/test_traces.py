"""Which spans the library is given to send, and that there is none of it where it is off."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from gitops_rollback.adapters import tracing
from gitops_rollback.adapters.tracing import ENDPOINTS, Traces, traces_of
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.trace import Span, Trace

T0, T1, T2 = (datetime(2026, 11, 23, 3, minute, tzinfo=UTC) for minute in (11, 15, 18))
TRACE = Trace(
    id=0x428A,
    root=Span("rollback", 1, T0, T2),
    phases=(Span("detect", 2, T0, T1), Span("verify", 3, T1, T2)),
    attributes={"gitops_rollback.id": "rb-428a78d56affadb9"},
    failed=True,
    message="it is still bad",
)


def test_the_root_and_its_children_arrive_with_their_times_and_what_went_wrong() -> None:
    exporter = InMemorySpanExporter()
    traces = Traces(exporter)
    traces.send(TRACE)
    traces.close()
    root, *phases = exporter.get_finished_spans()
    assert (root.name, root.parent, root.status.status_code) == ("rollback", None, StatusCode.ERROR)
    assert root.status.description == "it is still bad"
    assert [span.name for span in phases] == ["detect", "verify"]
    assert all(span.parent == root.context and span.status.status_code is StatusCode.UNSET for span in phases)
    assert {span.context.trace_id for span in (root, *phases)} == {0x428A}
    assert phases[1].start_time == int(T1.timestamp()) * 10**9
    assert root.resource.attributes["service.name"] == "gitops-rollback"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_without_the_library_the_start_says_what_to_install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(tracing.importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(SettingsInvalid, match=r".\[otel\]"):
        traces_of({name: "http://collector:4318"})


def test_where_it_is_off_nothing_of_it_is_imported() -> None:
    code = (
        "import sys; from gitops_rollback.adapters.tracing import traces_of; print(traces_of({})); "
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "None\n[]\n"
