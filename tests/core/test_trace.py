"""Which spans does a rollback leave, and can the trace be found by the Rollback-Id alone?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.core.trace import trace_id_of, trace_of

START = datetime(2026, 11, 23, 3, 11, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ALL = ("deployed", "fired", "decided", "pushed", "synced", "verified")


def ended(outcome: RollbackOutcome, *reached: str) -> RollbackRecord:
    return RollbackRecord(
        id="rb-428a78d56affadb9", applications=("argocd/web",), engine="argocd", repository="shop/config",
        bad_revision="b" * 40, restores="a" * 40, policy="web.yaml", triggers=("errors",), reverts=("b" * 40,),
        phase=Phase.DONE, outcome=outcome, reason="Verified", message="it is well again",
        times={name: START + ALL.index(name) * MINUTE for name in reached},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("outcome", "reached", "phases", "minutes"),
    [
        pytest.param("verified", ALL, "detect decide push sync verify", 5, id="verified"),
        pytest.param("unverified", ALL[:5], "detect decide push sync verify", 9, id="unverified"),
        pytest.param("failed", ALL[:4], "detect decide push sync", 9, id="never-synced"),
        pytest.param("refused", ALL[:3], "detect decide push", 9, id="rejected-by-a-person"),
        pytest.param("verified", ALL[2:], "push sync verify", 3, id="asked-for-by-a-person"),
    ],
)
def test_each_phase_is_a_span_of_the_time_that_it_took(
    outcome: str, reached: tuple[str, ...], phases: str, minutes: int
) -> None:
    trace = trace_of(ended(RollbackOutcome(outcome), *reached), START + 9 * MINUTE)
    assert trace is not None
    assert " ".join(span.name for span in trace.phases) == phases
    assert trace.root.end - trace.root.start == minutes * MINUTE
    assert all(one.end == other.start for one, other in zip(trace.phases, trace.phases[1:], strict=False))
    assert trace.failed == (outcome != "verified")


def test_every_replica_tells_the_same_trace_and_the_id_alone_finds_it() -> None:
    record = ended(RollbackOutcome.VERIFIED, *ALL)
    trace = trace_of(record, START)
    assert trace == trace_of(record, START + MINUTE)
    assert trace is not None
    assert f"{trace.id:032x}" == trace_id_of(record.id)
    assert len({span.id for span in (trace.root, *trace.phases)}) == 6


def test_without_any_time_there_is_no_trace() -> None:
    assert trace_of(ended(RollbackOutcome.FAILED), START) is None


def test_a_clock_that_went_back_makes_no_span_of_less_than_nothing() -> None:
    record = ended(RollbackOutcome.UNVERIFIED, *ALL[:5])
    trace = trace_of(record, START)
    assert trace is not None
    assert all(span.start <= span.end for span in (trace.root, *trace.phases))
