"""`detect` as a person or a pipe meets it."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from gitops_rollback.cli.main import OK, USAGE, outcome_of

T0 = 1_700_000_000


def line(id: object, bad: int) -> str:
    ticks = [{"t": T0 + 15 * place, "requests": 1500, "errors": 2 if place <= 0 else bad} for place in range(-200, 21)]
    return json.dumps({"id": id, "interval": 15, "deployed_at": T0, "ticks": ticks})


class Piped:
    def __init__(self, lines: list[str]) -> None:
        self.buffer = io.BytesIO("".join(f"{one}\n" for one in lines).encode())


def batch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], lines: list[str], *words: str
) -> list[dict[str, object]]:
    monkeypatch.setattr(sys, "stdin", Piped(lines))
    assert outcome_of(["detect", "--batch", *words]) == OK
    return [json.loads(one) for one in capsys.readouterr().out.splitlines()]


def test_a_batch_answers_each_line_in_order_and_goes_on_after_a_wrong_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [line("a", 75), "no json", line(7, 2), '{"id": "c", "interval": "x"}', "[]", line("d", 75)]
    answers = batch(monkeypatch, capsys, lines)
    assert [one["id"] for one in answers] == ["a", None, 7, "c", None, "d"]
    assert ["error" in one for one in answers] == [False, True, False, True, True, False]
    assert [one.get("fired_at") for one in answers] == [T0 + 60, None, None, None, None, T0 + 60]
    assert "`interval` must be seconds" in str(answers[3]["error"])


ONE = json.loads(line("a", 75))
HOSTILE = {
    "a NaN": json.dumps(ONE | {"ticks": [{"t": T0, "requests": float("nan"), "errors": 0}]}),
    "an infinity": json.dumps(ONE | {"deployed_at": float("inf")}),
    "what no float holds": json.dumps(ONE | {"ticks": [{"t": 10**400, "requests": 1, "errors": 0}]}),
    "more than can be counted by ones": json.dumps(ONE | {"ticks": [{"t": T0, "requests": 1e16, "errors": 0}]}),
    "numbers as text": json.dumps(ONE | {"ticks": [{"t": str(T0), "requests": "1", "errors": "0"}]}),
    "no time between ticks": json.dumps(ONE | {"interval": 0}),
    "next to no time between ticks": json.dumps(ONE | {"interval": 5e-324}),
    "time that runs back": json.dumps(ONE | {"interval": -15}),
    "the same tick twice": json.dumps(ONE | {"ticks": [{"t": T0, "requests": 1, "errors": 0}] * 2}),
    "a peer's tick twice": json.dumps(ONE | {"peers": {"b": [{"t": T0, "requests": 1, "errors": 0}] * 2}}),
    "peers without names": json.dumps(ONE | {"peers": [[]]}),
}


@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_count_is_answered_with_its_id_and_what_is_wrong(
    hostile: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, after = batch(monkeypatch, capsys, [hostile, line("next", 75)])
    assert (list(wrong), wrong["id"]) == (["id", "error"], "a")
    assert "bug" not in str(wrong["error"])
    assert (after["id"], after["fired_at"]) == ("next", T0 + 60)


@pytest.mark.parametrize("broken", ["", "{", "[" * 100_000, "\ufeff{}", f'{{"id": "a", "interval": {"9" * 5000}}}'])
def test_what_is_no_json_has_no_id_and_stops_nothing(
    broken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong, after = batch(monkeypatch, capsys, [broken, line("next", 75)])
    assert wrong == {"id": None, "error": "the line is not JSON"}
    assert after["fired_at"] == T0 + 60


def test_a_batch_explains_each_tick_if_it_is_asked_to(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (answer,) = batch(monkeypatch, capsys, [line("a", 75)], "--explain")
    explained = answer["explained"]
    assert isinstance(explained, list)
    assert len(explained) == 20
    assert "The deployment is blamed." in explained[3]


def test_a_file_is_answered_fired_or_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "counts.json"
    given.write_text(json.dumps(json.loads(line("a", 2)), indent=2))
    assert outcome_of(["detect", str(given), "--explain"]) == OK
    *told, answer = capsys.readouterr().out.splitlines()
    assert len(told) == 20
    assert json.loads(answer)["fired_at"] is None


def test_a_batch_may_stand_in_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "counts.jsonl"
    given.write_text(f"{line('a', 75)}\n{line('b', 2)}")
    assert outcome_of(["detect", "--batch", str(given)]) == OK
    assert [json.loads(one)["severity"] for one in capsys.readouterr().out.splitlines()] == [2, None]


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(["detect"]) == USAGE
    assert outcome_of(["detect", str(tmp_path / "nothing.json")]) == USAGE
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "wrong.json").write_text("{}")
    assert outcome_of(["detect", str(tmp_path / "wrong.json")]) == USAGE
    assert "`interval` must be seconds" in capsys.readouterr().err
