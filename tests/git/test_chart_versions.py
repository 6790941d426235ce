"""A chart's version goes forward when a commit that raised it is undone, on real repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from small_history import Files, History

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.reversal import Reverser
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.plan import FieldEdit, PlanOutcome, Reversal
from gitops_rollback.core.policy import ChartVersions

CLEAN, EMPTY, CONFLICT = PlanOutcome.CLEAN, PlanOutcome.EMPTY, PlanOutcome.CONFLICT
AS_BEFORE, FORWARD, DETECT = ChartVersions.AS_BEFORE, ChartVersions.FORWARD, ChartVersions.DETECT
CHART, VALUES = "charts/shop/Chart.yaml", "charts/shop/values.yaml"

Undo = Callable[..., Reversal]


def chart(version: str, app: str = "9", comment: str = "") -> str:
    return f"apiVersion: v2\nname: shop\n# raised with each change{comment}\nversion: {version}\nappVersion: '{app}'\n"


def values(replicas: int, tag: str = "1") -> str:
    return f"replicas: {replicas}\na: 1\nb: 2\ntag: {tag}\n"


def release(version: str, replicas: int, tag: str = "1") -> Files:
    return {CHART: chart(version), VALUES: values(replicas, tag)}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "config.git")


@pytest.fixture
def undo(history: History) -> Undo:
    def run(at: str, *reverts: str, charts: ChartVersions = FORWARD, good: str | None = None) -> Reversal:
        reverser = Reverser(Git(history.git_dir))
        try:
            return reverser.reverse(at, reverts, None, good, charts)
        finally:
            reverser.close()

    return run


def test_the_rest_goes_back_and_the_version_goes_on(history: History, undo: Undo) -> None:
    _, bad = history.line(release("1.2.2", 1), release("1.2.3", 5))
    reversal = undo(bad, bad)
    assert (reversal.outcome, reversal.gate_reason) == (CLEAN, None)
    assert history.content(reversal.tree) == {CHART: chart("1.2.4"), VALUES: values(1)}
    assert reversal.edits == (FieldEdit(CHART, "version", "1.2.3", "1.2.4"),)
    assert f"{CHART}: version goes on from 1.2.3 to 1.2.4" in reversal.message
    assert set(reversal.paths) == {CHART, VALUES}
    assert history.content(undo(bad, bad, charts=AS_BEFORE).tree) == {CHART: chart("1.2.2"), VALUES: values(1)}
    landed = history.commit({CHART: chart("1.2.4"), VALUES: values(1)}, [bad])
    assert undo(landed, bad).outcome is EMPTY


def test_a_version_that_was_raised_again_since_is_no_conflict(history: History, undo: Undo) -> None:
    _, bad, head = history.line(release("1.2.2", 1), release("1.2.3", 5), release("1.3.0", 5, tag="2"))
    reversal = undo(head, bad)
    assert history.content(reversal.tree) == {CHART: chart("1.3.1"), VALUES: values(1, tag="2")}
    assert (reversal.superseded, reversal.rung) == ((), 2)
    assert undo(head, bad, charts=AS_BEFORE).superseded == (head,)


def test_no_version_that_ever_was_is_used_again(history: History, undo: Undo) -> None:
    _, bad, *_, head = history.line(
        release("1.2.2", 1), release("1.2.3", 5), {CHART: chart("1.2.7")}, {CHART: chart("1.2.4")}
    )
    assert history.content(undo(head, bad).tree)[CHART] == chart("1.2.8")


def test_several_commits_give_one_new_version(history: History, undo: Undo) -> None:
    _, first, second = history.line(release("1.0.0", 1), release("1.1.0", 5), release("1.2.0", 5, tag="2"))
    reversal = undo(second, second, first)
    assert history.content(reversal.tree) == {CHART: chart("1.2.1"), VALUES: values(1)}
    assert reversal.edits == (FieldEdit(CHART, "version", "1.2.0", "1.2.1"),)


@pytest.mark.parametrize(
    ("before", "after", "edited"),
    [
        ("v1.0.0", "v1.0.1", "v1.0.2"),
        ('"1.0.0"', '"1.0.1"', '"1.0.2"'),
        ("1.0.0", "1.1.0-rc.1", "1.1.1"),
        ("1.0.0  # by CI", "1.0.1  # by CI", "1.0.2  # by CI"),
    ],
    ids=["with-a-v", "quoted", "pre-release", "comment"],
)
def test_nothing_but_the_version_is_edited(history: History, undo: Undo, before: str, after: str, edited: str) -> None:
    _, bad, head = history.line(release(before, 1), release(after, 5), {CHART: chart(after, comment=", by hand")})
    assert history.content(undo(head, bad).tree)[CHART] == chart(edited, comment=", by hand")


def test_windows_line_ends_stay(history: History, undo: Undo) -> None:
    steps: list[Files] = [
        {CHART: chart(version).replace("\n", "\r\n"), VALUES: values(n)} for version, n in (("1.0.0", 1), ("1.0.1", 5))
    ]
    _, bad = history.line(*steps)
    assert history.content(undo(bad, bad).tree)[CHART] == chart("1.0.2").replace("\n", "\r\n")


def test_other_fields_of_the_chart_s_file_go_back(history: History, undo: Undo) -> None:
    _, bad = history.line({CHART: chart("1.0.0", app="1")}, {CHART: chart("1.0.1", app="2")})
    assert history.content(undo(bad, bad).tree) == {CHART: chart("1.0.2", app="1")}


def test_a_commit_that_only_published_a_version_is_left_to_a_person(history: History, undo: Undo) -> None:
    _, bad, head = history.line(release("1.0.0", 1), {CHART: chart("1.0.1")}, {"b": "1\n"})
    reversal = undo(head, bad)
    assert (reversal.outcome, reversal.gate_reason, reversal.tree) == (CONFLICT, Reason.REVERT_CONFLICT, None)
    assert [(one.path, one.key) for one in reversal.explained] == [(CHART, "version")]


def test_among_several_commits_one_that_only_published_stays(history: History, undo: Undo) -> None:
    _, bad, published = history.line(release("1.0.0", 1), release("1.0.1", 5), {CHART: chart("1.0.2")})
    reversal = undo(published, published, bad)
    assert history.content(reversal.tree) == {CHART: chart("1.0.3"), VALUES: values(1)}
    assert undo(history.commit({VALUES: values(1)}, [published]), published, bad).outcome is EMPTY


def test_a_chart_that_does_not_change_keeps_its_version(history: History, undo: Undo) -> None:
    _, bad, head = history.line(
        {**release("1.0.0", 1), "apps/a.yaml": "a: 1\n"},
        {**release("1.0.1", 5), "apps/a.yaml": "a: 2\n"},
        {VALUES: values(1)},
    )
    reversal = undo(head, bad)
    assert reversal.paths == ("apps/a.yaml",)
    assert reversal.edits == ()


@pytest.mark.parametrize("rule", [FORWARD, DETECT])
def test_a_version_that_is_not_written_plainly_is_left_to_a_person(
    history: History, undo: Undo, rule: ChartVersions
) -> None:
    texts = [f"name: shop\nversion: &v {version}\nsame: *v\n" for version in ("1.0.0", "1.0.1")]
    steps: list[Files] = [{CHART: text, VALUES: values(n)} for n, text in enumerate(texts)]
    _, bad = history.line(*steps)
    reversal = undo(bad, bad, charts=rule)
    assert reversal.outcome is (CONFLICT if rule is FORWARD else CLEAN)
    assert [(one.path, one.key) for one in reversal.explained] == ([(CHART, "version")] if rule is FORWARD else [])


@pytest.mark.parametrize(
    ("versions", "forward"),
    [
        (("1.0.0", "1.0.1", "1.1.0", "1.1.1"), True),
        (("1.0.0", "1.0.1", "1.0.1", "1.0.2"), False),
        (("1.0.0", "1.0.1", "1.0.0", "1.0.2"), False),
        (("1.0.0", "1.0.1", "1.0.2"), False),
    ],
    ids=["each raised it", "one did not", "one went back", "too few to tell"],
)
def test_the_habit_is_detected_in_the_chart_s_own_history(
    history: History, undo: Undo, versions: tuple[str, ...], forward: bool
) -> None:
    steps: list[Files] = []
    for number, version in enumerate(versions):
        steps += [release(version, number), {"elsewhere.yaml": f"a: {number}\n"}]
    shas = history.line(*steps)
    reversal = undo(shas[-1], shas[-2], charts=DETECT)
    assert bool(reversal.edits) is forward
    assert (history.content(reversal.tree)[CHART] == chart(versions[-2])) is not forward


def test_a_chart_that_comes_back_or_goes_away_has_no_next_version(history: History, undo: Undo) -> None:
    _, added, removed = history.line({"a": "1\n"}, release("1.0.0", 1), {CHART: None, VALUES: None})
    assert history.content(undo(removed, removed).tree) == {"a": "1\n", CHART: chart("1.0.0"), VALUES: values(1)}
    assert history.content(undo(added, added).tree) == {"a": "1\n"}


def test_a_version_that_went_down_is_undone_as_it_was(history: History, undo: Undo) -> None:
    _, bad = history.line(release("1.0.1", 1), release("1.0.0", 5))
    assert history.content(undo(bad, bad).tree) == {CHART: chart("1.0.1"), VALUES: values(1)}


def test_a_file_of_the_chart_that_goes_back_as_a_whole_takes_no_version_back(history: History, undo: Undo) -> None:
    def at(version: str, text: str) -> Files:
        return {CHART: chart(version), "charts/shop/templates/x.tpl": f"{{{{ {text} }}}}\n"}

    good, bad, head = history.line(at("1.0.0", "one"), at("1.0.1", "two"), at("1.0.2", "three"))
    reversal = undo(head, bad, good=good)
    assert history.content(reversal.tree) == {**at("1.0.3", "one")}
    assert (reversal.superseded, reversal.whole) == ((head,), ("charts/shop/templates/x.tpl",))
