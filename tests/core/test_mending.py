"""What of a file's faults has one answer, and what is left to a person."""

from __future__ import annotations

import pytest

from gitops_rollback.core.faults import Fault
from gitops_rollback.core.mending import is_mendable, mended
from gitops_rollback.core.written import SKIP_MARKER, UTF8_MARK

MARKER = Fault("p", 1, 1, "would be applied", f"make `# {SKIP_MARKER}` the first line", "warning")


@pytest.mark.parametrize(
    ("text", "fault", "better"),
    [
        ("treshold: 5\n", Fault("p", 1, 1, "unknown key `treshold`", "did you mean `threshold`?"), "threshold: 5\n"),
        ("{a: 1, for: 1d}\n", Fault("p", 1, 13, "no duration", "write `24h`"), "{a: 1, for: 24h}\n"),
        ("x: '5M' # why\n", Fault("p", 1, 4, "no duration", "write `5m`"), "x: 5m # why\n"),
        ("a: 1\n", MARKER, f"# {SKIP_MARKER}\na: 1\n"),
        ("ä: '>'\r\n", Fault("p", 1, 4, "not known", "write `greater_than`"), "ä: greater_than\r\n"),
    ],
)
def test_one_word_is_written_and_all_else_stays(text: str, fault: Fault, better: str) -> None:
    assert is_mendable(fault)
    assert mended(text.encode(), [fault]) == better.encode()
    assert mended(UTF8_MARK + text.encode(), [fault]) == UTF8_MARK + better.encode()


def test_several_faults_of_a_file_are_mended_at_once() -> None:
    faults = [
        Fault("p", 2, 5, "unknown key `treshold`", "did you mean `threshold`?"),
        Fault("p", 2, 15, "no number", "write `12000`"),
        MARKER,
    ]
    assert mended(b"a:\n  - treshold: 12_000\n", faults) == f"# {SKIP_MARKER}\na:\n  - threshold: 12000\n".encode()


@pytest.mark.parametrize(
    ("message", "fix"),
    [
        ("`for` is no duration", "write `1m30s` or `1h30m`"),
        ("`suspend` is no boolean", "write true or false, without quotes"),
        ("`severity` is not known", "did you mean `auto_rollback`?"),  # nothing becomes automatic by a guess
        ("unknown key `trigger`", "did you mean `targets`?"),
        ("not built", "write `shortWindow: 5m` beside 1h"),
        ("the YAML holds a number", "remove it"),
    ],
)
def test_what_could_be_meant_in_two_ways_is_a_persons(message: str, fix: str) -> None:
    fault = Fault("p", 1, 1, message, fix)
    assert not is_mendable(fault)
    assert mended(b"trigger: 1\n", [fault]) == b"trigger: 1\n"


@pytest.mark.parametrize("data", [b"\xff: 1\n", b"a: [\n"])
def test_what_cannot_be_read_is_left_alone(data: bytes) -> None:
    assert mended(data, [Fault("p", 1, 1, "unknown key `aa`", "did you mean `aaa`?"), MARKER]) in (
        data,
        f"# {SKIP_MARKER}\n".encode() + data,
    )
