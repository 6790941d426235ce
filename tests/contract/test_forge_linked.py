"""What a forge shows of ours leads to the dashboard where people can reach it, and nothing that is foreign does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from gitops_rollback.adapters.forges.linked import Linked
from gitops_rollback.adapters.pages import Pages
from gitops_rollback.core.markdown import explaining, fenced, safe
from gitops_rollback.core.pull_request import PullRequest, StatusButtons, StatusState

ID = "rb-428a78d56affadb9"
PAGE = f"https://rollback.example.com/r/{ID}"
MEANING = "https://rollback.example.com/reasons#ImageMissing"


@dataclass
class Notepad:
    """What a forge was given; it answers nothing."""

    kind: str = "gitea"
    texts: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)

    def open(
        self, head: str, base: str, title: str, body: str, labels: Sequence[str] = (), reviewers: Sequence[str] = ()
    ) -> PullRequest | None:
        self.texts.append(body)
        return None

    def comment(self, number: int, marker: str, body: str) -> str:
        self.texts.append(body)
        return "1"

    def set_status(
        self,
        sha: str,
        context: str,
        state: StatusState,
        description: str,
        url: str = "",
        buttons: StatusButtons | None = None,
    ) -> None:
        self.urls.append(url)


@pytest.fixture
def notepad() -> Notepad:
    return Notepad()


@pytest.fixture
def linked(notepad: Notepad) -> Linked:
    return Linked(notepad, Pages("https://rollback.example.com/"))


def test_the_commands_that_explain_become_links_in_a_body_and_in_a_comment(linked: Linked, notepad: Notepad) -> None:
    text = f"All of it: {explaining(ID)}\n\nWhat it means: {explaining('ImageMissing')}."
    linked.open("a", "b", "title", text)
    linked.comment(7, "marker", text)
    assert notepad.texts == [f"All of it: [{ID}]({PAGE})\n\nWhat it means: [ImageMissing]({MEANING})."] * 2


def test_everything_else_is_asked_of_the_forge_itself(linked: Linked) -> None:
    assert linked.kind == "gitea"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(fenced(f"+see {explaining(ID)}\n+```\n+{explaining(ID)}"), id="in-a-change"),
        pytest.param(safe(explaining(ID)), id="in-foreign-words"),
        pytest.param(explaining("checkout-api"), id="of-an-application"),
        pytest.param("`gitops-rollback approve rb-428a78d56affadb9`", id="another-command"),
    ],
)
def test_what_is_no_word_of_ours_stays_as_it_is(linked: Linked, notepad: Notepad, text: str) -> None:
    linked.comment(7, "marker", text)
    assert notepad.texts == [text]


def test_after_a_change_links_are_made_again(linked: Linked, notepad: Notepad) -> None:
    linked.comment(7, "marker", f"{fenced('+a')}\n\n{explaining(ID)}")
    assert notepad.texts[0].endswith(f"[{ID}]({PAGE})")


@pytest.mark.parametrize(
    ("words", "leads_to"),
    [
        pytest.param(f"planned: undoes 7c1d9e2f0b6a ({ID})", PAGE, id="the-rollback-that-it-names"),
        pytest.param("web: would ask because ImageMissing: v1 is gone", MEANING, id="its-reason"),
        pytest.param("Waiting: nothing is known yet", "https://forge/7", id="what-it-had"),
    ],
)
def test_a_status_leads_to_what_its_words_are_about(
    linked: Linked, notepad: Notepad, words: str, leads_to: str
) -> None:
    linked.set_status("a" * 40, "gitops-rollback/plan", StatusState.SUCCESS, words, "https://forge/7")
    assert notepad.urls == [leads_to]
