"""Who may weaken a policy while a release is judged by it? Everybody who can push, but not the release itself."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from live_world import POLICY_PATH, Live, living, quick_policy

SUSPENDED = quick_policy().replace("spec:\n", "spec:\n  suspend: true\n", 1)
BROKEN = quick_policy().replace("threshold: 0.05", "treshold: 0.05")


def push_policy(live: Live, text: str | None) -> str:
    sha: str = live.people.push("Change the policy", {POLICY_PATH: text}, live.now())
    live.telling.landed["policy"] = sha
    return sha


def test_a_suspend_that_is_pushed_alone_stops_what_is_pending_until_it_is_lifted(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.fail()
        live.until(live.pending, "a trigger is pending")
        head = push_policy(live, SUSPENDED)
        live.until(lambda: live.telling.has_decided("Suspended"), "it says that it is suspended")
        live.let_pass(timedelta(minutes=2), lambda: live.people.head() != head, "a push while suspended")
        assert [record["phase"] for record in live.telling.records()] == []
        assert len(live.pages("Suspended")) == 1
        push_policy(live, quick_policy())
        live.until_verified()
        assert len(live.telling.reverts()) == 1


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(SUSPENDED, id="suspend"),
        pytest.param(quick_policy().replace("threshold: 0.05", "threshold: 1e9"), id="threshold"),
        pytest.param(None, id="deleted"),
    ],
)
def test_a_bad_release_cannot_bring_the_policy_that_spares_it(tmp_path: Path, change: str | None) -> None:
    with living(tmp_path) as live:
        live.fail(more={POLICY_PATH: change})
        live.until_verified()
        assert len(live.telling.reverts()) == 1
        assert live.people.git("diff", "--name-only", live.telling.before, "main") == ""


def test_a_policy_that_becomes_unreadable_goes_on_judging_as_it_last_was(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.fail()
        live.until(live.pending, "a trigger is pending")
        push_policy(live, BROKEN)
        live.until_verified()
        assert [line["error"] for line in live.logged() if line.get("msg") == "refused a policy"]
        assert len(live.telling.reverts()) == 1
