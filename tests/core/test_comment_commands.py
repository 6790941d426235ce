"""Which words of a comment are a command, and which only look like one?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.core.comment_commands import Command, NotUnderstood, Verb, command_of, help_lines
from gitops_rollback.core.pull_request import Comment

SHA = "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"
AT = datetime(2026, 11, 23, tzinfo=UTC)
STOP = Command(Verb.STOP)


def said(body: str, edited: bool = False, by_bot: bool = False) -> Command | NotUnderstood | None:
    return command_of(Comment("1", "ada", body, AT, edited, by_bot))


@pytest.mark.parametrize(
    ("body", "command"),
    [
        ("/rollback plan", Command(Verb.PLAN)),
        (f"/rollback approve {SHA}", Command(Verb.APPROVE, sha=SHA)),
        (f"/rollback approve {SHA} looks good", Command(Verb.APPROVE, sha=SHA, why="looks good")),
        ("/rollback reject fixed forward", Command(Verb.REJECT, why="fixed forward")),
        ("/rollback stop", STOP),
        ("/rollback pause 2h load  test", Command(Verb.PAUSE, lasts=timedelta(hours=2), why="load test")),
        (f"/rollback to {SHA}", Command(Verb.TO, sha=SHA)),
        ("/rollback retry", Command(Verb.RETRY)),
        ("/rollback help", Command(Verb.HELP)),
        ("/rollback", Command(Verb.HELP)),
        ("This is bad.\n\n/rollback stop\n\nThanks!", STOP),
        ("This is bad.\r\n/rollback stop\r\nThanks!", STOP),
        ("/rollback\tstop  ", STOP),
        ("> who stops it?\n\n/rollback stop", STOP),
        ("```\nlog\n```\n/rollback stop", STOP),
        ("`a` and ``b`\n/rollback stop", STOP),
        ("a lone ` tick\n/rollback stop", STOP),
        ("`<!--` opens one\n/rollback stop", STOP),
        ("```\n<!--\n```\n/rollback stop", STOP),
        ("<!-- a --> b\n/rollback stop", STOP),
        ("<pre>\nlog\n</pre>\n\n/rollback stop", STOP),
        ("```js `x`\n/rollback stop", STOP),
    ],
)
def test_a_line_that_begins_with_the_word_is_a_command(body: str, command: Command) -> None:
    assert said(body) == command


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("> /rollback stop", id="Q6-quoted"),
        pytest.param("> is this right?\n/rollback stop", id="Q6-lazy-line-of-a-quotation"),
        pytest.param("   > /rollback stop", id="Q6-quoted-and-indented"),
        pytest.param("```\n/rollback stop\n```", id="Q6-fenced"),
        pytest.param("```sh\n/rollback stop\n```", id="Q6-fenced-with-a-language"),
        pytest.param("~~~\n```\n/rollback stop\n~~~", id="Q6-fence-in-a-fence"),
        pytest.param("````\n```\n/rollback stop\n````", id="Q6-longer-fence"),
        pytest.param("```\nnever closed\n\n/rollback stop", id="Q6-fence-without-an-end"),
        pytest.param("```\n/rollback stop\n``` x", id="Q6-an-end-that-is-none"),
        pytest.param("    /rollback stop", id="Q6-indented"),
        pytest.param("\t/rollback stop", id="Q6-tab"),
        pytest.param(" /rollback stop", id="Q6-in-a-list-perhaps"),
        pytest.param("- /rollback stop", id="Q6-item"),
        pytest.param("1. ```\n   /rollback stop\n   ```", id="Q6-fence-in-a-list"),
        pytest.param("`/rollback stop`", id="Q6-inline"),
        pytest.param("see ` \n/rollback stop\n `", id="Q6-inline-over-lines"),
        pytest.param("see ``a ` b\n/rollback stop\n``", id="Q6-inline-of-two-ticks"),
        pytest.param("\\` <!-- `\n/rollback stop\n-->", id="Q6-html-comment-after-an-escaped-tick"),
        pytest.param("\\``\n/rollback stop\n`", id="Q6-inline-after-an-escaped-tick"),
        pytest.param("<!-- /rollback stop -->", id="Q6-html-comment"),
        pytest.param("<!--\n/rollback stop\n-->", id="Q6-html-comment-over-lines"),
        pytest.param("x <!-- \n\n/rollback stop", id="Q6-html-comment-without-an-end"),
        pytest.param("<pre>\n/rollback stop\n</pre>", id="Q6-pre"),
        pytest.param("<PRE class=x>\n\n/rollback stop", id="Q6-pre-without-an-end"),
        pytest.param("<blockquote>\n\n/rollback stop\n\n</blockquote>", id="Q6-blockquote"),
        pytest.param("please /rollback stop", id="not-the-first-word"),
        pytest.param("/rollbacks stop", id="another-word"),
        pytest.param("/rollback-stop", id="another-word-with-a-hyphen"),
        pytest.param("//rollback stop", id="two-slashes"),
        pytest.param("/Rollback stop", id="another-case"),
        pytest.param("/rollb\u0430ck stop", id="Q7-look-alike"),
        pytest.param("/rollback\u200b stop", id="Q7-zero-width"),
        pytest.param("/rollback\u00a0stop", id="Q7-another-space"),
        pytest.param("", id="nothing"),
    ],
)
def test_what_is_not_the_writers_plain_word_is_no_command(body: str) -> None:
    assert said(body) is None


@pytest.mark.parametrize(
    ("body", "word"),
    [
        pytest.param("/rollback stop\n/rollback retry", "2 commands", id="Q5-two"),
        pytest.param("/rollback stop\n\n/rollback stop", "2 commands", id="Q5-twice-the-same"),
        pytest.param("/rollback aprove", "did you mean `/rollback approve`?", id="misspelt"),
        pytest.param("/rollback payments@sha", "is no command; known are plan, approve", id="unknown"),
        pytest.param("/rollback approve", "full SHA", id="A16-nothing-seen"),
        pytest.param(f"/rollback approve {SHA[:12]}", "full SHA", id="Q4-A16-short-sha"),
        pytest.param(f"/rollback to {SHA[:12]}", "full SHA", id="Q4-short-sha"),
        pytest.param("/rollback to main", "full SHA", id="a-branch"),
        pytest.param(f"/rollback to {SHA}\u200b", "full SHA", id="Q7-zero-width-in-a-sha"),
        pytest.param(f"/rollback to {SHA} now", "Nothing may stand behind", id="too-much"),
        pytest.param("/rollback plan now", "Nothing may stand behind", id="too-much-for-plan"),
        pytest.param("/rollback pause", "Say how long", id="no-duration"),
        pytest.param("/rollback pause forever", "Say how long", id="no-such-duration"),
        pytest.param("/rollback pause 2", "Say how long", id="no-unit"),
        pytest.param("/rollback pause 0s", "up to 30 days", id="no-time"),
        pytest.param("/rollback pause 31d", "up to 30 days", id="too-long"),
        pytest.param("/rollback pause " + "999999999d" * 5, "Say how long", id="absurd"),
    ],
)
def test_what_is_meant_for_us_and_not_understood_is_answered(body: str, word: str) -> None:
    answer = said(body)
    assert isinstance(answer, NotUnderstood)
    assert word in answer.message


def test_the_answer_repeats_nothing_that_fires() -> None:
    answer = said("/rollback @org/all`<!channel>\x1b[31m\u202e")
    assert isinstance(answer, NotUnderstood)
    assert "@" not in answer.message
    assert answer.message.isprintable()
    assert answer.message.count("`") % 2 == 0


def test_a16_an_edited_comment_is_no_command() -> None:
    answer = said("/rollback stop", edited=True)
    assert isinstance(answer, NotUnderstood)
    assert "edited" in answer.message
    assert said("no command at all", edited=True) is None


def test_a15_a_machine_asks_for_nothing() -> None:
    assert said("/rollback stop", by_bot=True) is None


def test_a_comment_of_a_megabyte_is_not_looked_into() -> None:
    answer = said("/rollback stop\n" + "`" * 1_000_000)
    assert isinstance(answer, NotUnderstood)
    assert "too long" in answer.message


def test_the_help_names_every_command() -> None:
    text = "\n".join(help_lines())
    assert all(f"`/rollback {verb}" in text for verb in Verb)


PIECES = st.sampled_from(
    [
        "/rollback stop",
        "`",
        "```",
        "~~~",
        "\n",
        "\n\n",
        "> ",
        "<!--",
        "-->",
        "<pre>",
        "</pre>",
        "    ",
        "- ",
        "x ",
        "``",
    ]
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_whatever_stands_around_it_it_is_read_without_a_fault(body: str) -> None:
    answer = said(body)
    if isinstance(answer, Command):
        assert any(line.startswith("/rollback stop") for line in body.split("\n"))


@pytest.mark.parametrize("piece", ["`", "` ", "<!--", "<pre>", "```\n", "> \n", "\n", "<pre ", "``` `\n", "a`"])
def test_the_longest_comment_takes_no_time(piece: str) -> None:
    """Its reading is linear in its length; a quadratic one would take minutes here, and the test run with it."""
    body = (piece * 65_000)[: 65_536 - 20] + "\n/rollback stop"
    said(body)
