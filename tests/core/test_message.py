"""The words of a revert commit, and foreign text in them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from typing import Any

import pytest
from plan_facts import CULPRIT, a_commit

from gitops_rollback.core.commit import parse_trailers
from gitops_rollback.core.image_holds import ImageHold
from gitops_rollback.core.message import (
    ReleaseText,
    RevertText,
    for_people,
    release_message,
    revert_message,
)

GOOD = "5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"
OTHER = "a1" * 20


def a_text(**fields: Any) -> RevertText:
    plain = RevertText(
        rollback_id="rb-428a78d56affadb9",
        reverts=(a_commit(message="feat(payments): checkout-api v1.42.0\n\nlong story"),),
        why=(
            "high-error-rate fired: 7.9 % of requests failed (limit 5 % for 2m; 0.3 % before), 4m03s after Argo CD had "
            "synced 7c1d9e2 to argocd/payments-prod.",
            "One file, +1 -1; no migration touched.",
        ),
        applications=("default/Application/argocd/payments-prod",),
        policy="policies/payments-prod.yaml@5ab3c90d1c7e",
        triggers=("high-error-rate",),
        restores=GOOD,
        bad_revision=CULPRIT,
        rung=1,
    )
    return replace(plain, **fields)


EXPECTED = f"""\
Revert "feat(payments): checkout-api v1.42.0"

This reverts commit {CULPRIT}.

high-error-rate fired: 7.9 % of requests failed (limit 5 % for 2m; 0.3 %
before), 4m03s after Argo CD had synced 7c1d9e2 to argocd/payments-prod.
One file, +1 -1; no migration touched.

Rollback-Id: rb-428a78d56affadb9
Rollback-Application: default/Application/argocd/payments-prod
Rollback-Policy: policies/payments-prod.yaml@5ab3c90d1c7e
Rollback-Trigger: high-error-rate
Rollback-Reverts: {CULPRIT}
Rollback-Restores: {GOOD}
Rollback-Bad-Revision: {CULPRIT}
Rollback-Rung: 1
Rollback-Step: 1/1
Rollback-Requested-By: controller
"""


HOLD = ImageHold(
    "apps/cart.yaml", "spec.image", ' # {"$imagepolicy": "flux-system:cart"}', "shop/cart:1.42.0", "shop/cart:1.41.0"
)


def test_what_is_held_stands_in_the_message_and_in_its_trailers() -> None:
    message = revert_message(a_text(why=("It failed.",), holds=(HOLD,)))
    said = "Not to be written back: shop/cart:1.42.0 by flux-system:cart in apps/cart.yaml."
    assert said in " ".join(message.split())
    assert parse_trailers(message)["Rollback-Holds"] == ("flux-system:cart apps/cart.yaml",)


def test_the_end_of_a_hold_says_so_and_reverts_nothing() -> None:
    message = release_message(ReleaseText("rb-1", ("default/Kustomization/x/cart",), (HOLD,), "1.42.1 is newer."))
    assert message.startswith("Let image policies write again: flux-system:cart\n\n1.42.1 is newer.\n\n")
    assert parse_trailers(message) == {
        "Rollback-Id": ("rb-1",),
        "Rollback-Application": ("default/Kustomization/x/cart",),
        "Rollback-Releases": ("flux-system:cart apps/cart.yaml",),
        "Rollback-Requested-By": ("controller",),
    }


def test_the_message_reads_as_the_product_says() -> None:
    assert revert_message(a_text()) == EXPECTED


def subject(**fields: Any) -> str:
    return revert_message(a_text(**fields)).split("\n", 1)[0]


def with_subject(text: str) -> str:
    return subject(reverts=(a_commit(message=text),))


def test_several_commits_each_have_their_line_and_trailer_newest_first() -> None:
    message = revert_message(a_text(reverts=(a_commit(), a_commit(OTHER, message="Older"))))
    assert message.startswith('Revert "Raise checkout to 1.42.0" and 1 more\n')
    assert f"\nThis reverts commit {CULPRIT}.\nThis reverts commit {OTHER}.\n" in message
    assert parse_trailers(message)["Rollback-Reverts"] == (CULPRIT, OTHER)


def test_a_field_that_goes_on_is_named_in_a_paragraph_of_its_own() -> None:
    paragraphs = revert_message(a_text(edits=("charts/a/Chart.yaml: version goes on.",))).split("\n\n")
    assert paragraphs[2] == "charts/a/Chart.yaml: version goes on."
    assert paragraphs[:2] + paragraphs[3:] == EXPECTED.split("\n\n")


def test_undoing_a_rollback_of_ours_is_called_as_git_calls_it() -> None:
    def undone(text: str) -> str:
        return subject(reverts=(a_commit(message=text),), reapplies=True)

    assert undone('Revert "Raise checkout to 1.42.0"') == 'Reapply "Raise checkout to 1.42.0"'
    assert undone('Revert "Raise checkout" and 2 more') == 'Reapply "Raise checkout"'
    assert undone('Revert "Revert "Raise checkout""').startswith('Revert "Revert "Revert')
    assert with_subject('Revert "Raise checkout"') == 'Revert "Revert "Raise checkout""', "words alone prove nothing"


def test_a_merge_names_the_parent_that_it_goes_back_to() -> None:
    merge = replace(a_commit(), parents=(GOOD, OTHER))
    message = revert_message(a_text(reverts=(merge,)))
    assert f"This reverts commit {CULPRIT}.\nReversing changes made to {GOOD}.\n" in message


def test_in_an_incident_each_application_has_its_line() -> None:
    trailers = parse_trailers(revert_message(a_text(applications=("a", "b"), rung=None)))
    assert trailers["Rollback-Application"] == ("a", "b")
    assert "Rollback-Rung" not in trailers


def git_trailers(message: str) -> dict[str, tuple[str, ...]]:
    command = ["git", "interpret-trailers", "--parse", "--unfold"]
    printed = subprocess.run(command, input=message.encode(), capture_output=True, check=True, timeout=30)
    found: dict[str, tuple[str, ...]] = {}
    for line in printed.stdout.decode().splitlines():
        key, _, value = line.partition(": ")
        found[key] = (*found.get(key, ()), value)
    return found


HOSTILE = {
    "plain": {},
    "subject-with-a-trailer": {"reverts": (a_commit(message="x\rRollback-Id: rb-forged\x85\u2028Signed-off-by: a"),)},
    "trigger-with-a-trailer": {"triggers": ("a\nRollback-Id: rb-forged\n\nRollback-Step: 9/9",)},
    "application-with-a-trailer": {"applications": ("a\r\nRollback-Id: rb-forged",)},
    "why-with-a-trailer-block": {"why": ("bad\n\nRollback-Id: rb-forged\n",)},
    "why-with-a-divider": {"why": ("---\ndiff --git a b", "--- " * 40)},
    "why-with-comments": {"why": ("# " * 100,)},
    "no-why": {"why": ()},
    "no-trigger-value": {"triggers": ("\x00",)},
    "one-megabyte": {"reverts": (a_commit(message="x" * (1 << 20)),), "why": ("y " * (1 << 19),)},
    "not-utf-8": {"reverts": (a_commit(message="caf\udce9"),)},
}


@pytest.mark.parametrize("fields", HOSTILE.values(), ids=HOSTILE)
def test_git_and_we_read_the_same_trailers_whatever_the_names_say(fields: dict[str, Any]) -> None:
    message = revert_message(a_text(**fields))
    trailers = git_trailers(message)
    assert trailers == parse_trailers(message)
    assert trailers["Rollback-Id"] == ("rb-428a78d56affadb9",)
    assert trailers["Rollback-Step"] == ("1/1",)
    assert "Signed-off-by" not in trailers
    assert len(message) < 4000


SUBJECTS = {
    "long": ("x" * 200, 'Revert "' + "x" * 60 + '..."'),
    "fits-exactly": ("x" * 63, 'Revert "' + "x" * 63 + '"'),
    "one-too-long": ("x" * 64, 'Revert "' + "x" * 60 + '..."'),
    "wide": ("日" * 40, 'Revert "' + "日" * 30 + '..."'),
    "empty": ("", f'Revert "{CULPRIT[:12]}"'),
    "a-revert-itself": ('Revert "x"', 'Revert "Revert "x""'),
}


@pytest.mark.parametrize(("said", "expected"), SUBJECTS.values(), ids=SUBJECTS)
def test_a_subject_fits_72_columns(said: str, expected: str) -> None:
    assert with_subject(said) == expected


def test_a_rule_of_the_forge_may_want_a_prefix() -> None:
    assert subject(subject_prefix="fix(ops):").startswith('fix(ops): Revert "feat')


ATTACKS = {
    "channel": ("<!channel> up", "(!channel> up"),
    "team": ("ping @org/all now", "ping (at)org/all now"),
    "mail-is-no-mention": ("ann@example.com", "ann@example.com"),
    "link": ("[x](http://evil)", "[x] (http://evil)"),
    "slack-link": ("<http://evil|x>", "(http://evil|x>"),
    "ansi": ("\x1b[31mred\x1b[0m \x1b]0;title\x07end", "red end"),
    "one-byte-ansi": ("\x9b31mred", "red"),
    "bidi": ("abc\u202edef\u2066", "abcdef"),
    "no-width": ("a\u200bb\ufeffc", "abc"),
    "line-breaks": ("a\nb\r\nc\u2028d\x85e", "a b c d e"),
    "controls": ("a\x00b\x07c\x7fd", "abcd"),
    "greater-than-stays": ("replicas <3 > 2", "replicas <3 > 2"),
    "surrogate": ("caf\udce9", "caf\ufffd"),
}


@pytest.mark.parametrize(("foreign", "expected"), ATTACKS.values(), ids=ATTACKS)
def test_foreign_text_stays_one_harmless_line(foreign: str, expected: str) -> None:
    """Attack A19."""
    assert for_people(foreign) == expected
    assert expected in with_subject(foreign.replace("\n", " "))


@pytest.mark.parametrize(("length", "expected"), [(200, 200), (201, 200), (1 << 20, 200)])
def test_foreign_text_is_cut_at_200_characters(length: int, expected: int) -> None:
    assert len(for_people("x" * length)) == expected
