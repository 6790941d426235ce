"""Is a mark taken off and put back to the byte, and does a hold end only for something newer, or by a person?"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from plan_facts import NOW
from test_rollback import a_record

from gitops_rollback.core.image_holds import (
    LASTS,
    Due,
    HoldAnswer,
    ImageHold,
    Standing,
    hold_documents,
    holds_of,
    judge_hold,
    standing,
)
from gitops_rollback.core.image_marks import marks, part_of, with_mark, without, written_again
from gitops_rollback.core.journal import MAX_RECORD_BYTES, decode_record, encode_record
from gitops_rollback.core.rollback import HOLDS, RELEASE, Phase, RollbackOutcome, RollbackRecord, merge

MARK = ' # {"$imagepolicy": "flux-system:cart"}'
IMAGE = "apps/v1 Deployment shop cart spec.template.spec.containers[name=cart].image"


def deployment(tag: str, mark: str = MARK, sidecar: str = "1.0.0") -> bytes:
    return f"""\
# The cart.
apiVersion: apps/v1
kind: Deployment
metadata: {{name: cart, namespace: shop}}
spec:
  template:
    spec:
      containers:
        - name: mesh   # beside it
          image: "registry.example/mesh:{sidecar}"  # {{"$imagepolicy": "flux-system:mesh"}}
        - name: cart
          image: registry.example/cart:{tag}{mark}
          env: [{{name: A, value: "1"}}]
""".encode()


GOOD, BAD = deployment("1.41.0"), deployment("1.42.0")
VALUES = """\
image:
  repository: registry.example/cart # {"$imagepolicy": "flux-system:cart:name"}
  tag: 1.42.0 # {"$imagepolicy": "flux-system:cart:tag"}
"""


def a_hold(**fields: Any) -> ImageHold:
    plain = ImageHold(
        "apps/cart.yaml", IMAGE, MARK, held="registry.example/cart:1.42.0", kept="registry.example/cart:1.41.0"
    )
    return dataclasses.replace(plain, **fields)


def a_rollback(*holds: ImageHold, **fields: Any) -> RollbackRecord:
    evidence = {HOLDS: hold_documents(holds or (a_hold(),))}
    return a_record(Phase.DONE, evidence=evidence, times={"pushed": NOW}, **fields)


# Marks


def test_only_what_the_plan_changes_would_be_written_again() -> None:
    found = written_again(BAD, GOOD)
    assert found is not None
    assert [(one.field, one.policy, one.value) for one in found] == [
        (IMAGE, "flux-system:cart", "registry.example/cart:1.41.0")
    ]
    assert written_again(GOOD, GOOD) == ()
    assert written_again(None, GOOD) == marks(GOOD)


def test_a_mark_comes_off_and_goes_back_to_the_byte() -> None:
    found = written_again(BAD, GOOD)
    assert found is not None
    held = without(GOOD, found)
    assert held == deployment("1.41.0", mark="")
    assert written_again(BAD, held) == ()
    assert with_mark(held, IMAGE, MARK) == GOOD


def test_a_mark_goes_back_to_its_own_field_wherever_that_has_moved() -> None:
    moved = deployment("1.41.0", mark="").replace(b"  template:\n", b"  replicas: 3\n  template:\n")
    assert with_mark(moved, IMAGE, MARK) == GOOD.replace(b"  template:\n", b"  replicas: 3\n  template:\n")


@pytest.mark.parametrize(
    "content",
    [
        GOOD,  # it is there already
        deployment("1.41.0", mark=" # pinned by Ann"),
        deployment("1.41.0", mark="").replace(b"name: cart\n", b"name: basket\n"),
        b"a: {{ template }}\n",
        b"",
    ],
)
def test_a_mark_without_a_place_of_its_own_is_not_put_back(content: bytes) -> None:
    assert with_mark(content, IMAGE, MARK) is None


@pytest.mark.parametrize(
    "content",
    [
        b'a: {b: c} # {"$imagepolicy": "flux-system:cart"}\n',  # of which value?
        b'# {"$imagepolicy": "flux-system:cart"}\na: b\n',
        b'a: b # {"$imagepolicy": "cart"}\n',
        b'a: b # {"$imagepolicy": "flux-system:cart"} and more\n',
        b'a: {{ b }} # {"$imagepolicy": "flux-system:cart"}\n',
        b'a: b # {"$imagepolicy": "flux-system:cart"}\r\n',
        b'a: \xff # {"$imagepolicy": "flux-system:cart"}\n',
        b'a: |\n  b # {"$imagepolicy": "flux-system:cart"}\n',
        b'a: *b # {"$imagepolicy": "flux-system:cart"}\n',
    ],
)
def test_a_marker_that_cannot_be_attributed_is_seen_as_such(content: bytes) -> None:
    assert marks(content) is None
    assert written_again(content, content) is None


def test_a_mark_may_ask_for_a_part_of_the_image() -> None:
    found = marks(VALUES.encode())
    assert found is not None
    assert [(one.policy, one.part, one.value) for one in found] == [
        ("flux-system:cart", "name", "registry.example/cart"),
        ("flux-system:cart", "tag", "1.42.0"),
    ]
    image = "registry.example:5000/cart:1.42.0@sha256:abc"
    assert [part_of(image, part) for part in ("", "name", "tag", "digest")] == [
        image,
        "registry.example:5000/cart",
        "1.42.0",
        "sha256:abc",
    ]
    assert part_of("registry.example:5000/cart", "tag") == ""


# Holds


def test_holds_stand_in_the_journal_as_they_were_made() -> None:
    record = a_rollback(a_hold(), a_hold(path="other.yaml"))
    assert holds_of(decode_record(encode_record(record))) == (a_hold(), a_hold(path="other.yaml"))


@pytest.mark.parametrize("odd", [None, "x", [1], [{}], [{**hold_documents((a_hold(),))[0], "comment": "# none"}]])
def test_what_anybody_wrote_into_the_journal_is_no_hold(odd: object) -> None:
    assert holds_of(a_record(Phase.DONE, evidence={HOLDS: odd})) == ()


def test_evidence_that_is_too_large_leaves_the_holds() -> None:
    record = a_rollback()
    large = dataclasses.replace(record, evidence={**record.evidence, "verdicts": "x" * MAX_RECORD_BYTES})
    assert holds_of(decode_record(encode_record(large))) == (a_hold(),)


def test_the_newer_word_on_the_end_of_a_hold_is_kept() -> None:
    def ended(commit: str) -> RollbackRecord:
        record = a_rollback()
        return dataclasses.replace(record, evidence={**record.evidence, RELEASE: {"commit": commit, "blobs": {}}})

    for one, other in ((a_rollback(), ended("1")), (ended("1"), a_rollback()), (ended("2"), ended("1"))):
        step = merge(one, other).release
        assert step is not None
        assert step.commit == "1"
        assert holds_of(merge(one, other)) == (a_hold(),)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (deployment("1.41.0", mark=""), Standing.HELD),
        (deployment("1.43.0", mark=""), Standing.HELD),  # a person may go on by hand
        (GOOD, Standing.LIFTED),
        (BAD, Standing.LIFTED),
        (b"kind: List\n", Standing.GONE),
        (None, Standing.LIFTED),  # whoever removed the file has taken over
    ],
)
def test_a_hold_is_seen_in_the_file_itself(content: bytes | None, expected: Standing) -> None:
    assert standing(a_hold(), content) is expected


def judged(selected: str, **fields: Any) -> HoldAnswer:
    how, after = fields.pop("how", Standing.HELD), fields.pop("after", timedelta(hours=1))
    selects = {"flux-system:cart": f"registry.example/cart:{selected}"} if selected else {}
    return judge_hold(a_rollback(**fields), {a_hold(): how}, selects, NOW + after)


@pytest.mark.parametrize(
    ("selected", "due"),
    [
        ("1.42.1", Due.RELEASE),
        ("1.42.0", Due.KEEP),
        ("", Due.KEEP),
        ("1.41.0", Due.ASK),  # older: a person may have pinned it
        ("main-7f3a", Due.ASK),
        ("1.42.1@sha256:abc", Due.RELEASE),
    ],
)
def test_a_hold_ends_by_itself_only_for_a_newer_version(selected: str, due: Due) -> None:
    assert judged(selected).due is due


def test_another_image_is_no_newer_version() -> None:
    selects = {"flux-system:cart": "elsewhere.example/cart:2.0.0"}
    assert judge_hold(a_rollback(), {a_hold(): Standing.HELD}, selects, NOW).due is Due.ASK


def test_a_hold_never_lapses_and_asks_after_a_day() -> None:
    assert judged("1.42.0", after=LASTS - timedelta(seconds=1)).due is Due.KEEP
    found = judged("1.42.0", after=LASTS)
    assert found.due is Due.ASK
    assert "registry.example/cart:1.42.0 by flux-system:cart" in found.message
    assert judged("", after=LASTS).due is Due.ASK


def test_before_the_rollback_is_verified_nothing_is_put_back() -> None:
    open_record = dataclasses.replace(a_rollback(), phase=Phase.VERIFYING, outcome=None)
    newer = {"flux-system:cart": "registry.example/cart:1.42.1"}
    assert judge_hold(open_record, {a_hold(): Standing.HELD}, newer, NOW + 2 * LASTS).due is Due.KEEP
    assert judged("1.42.1", outcome=RollbackOutcome.UNVERIFIED).due is Due.KEEP
    assert judged("1.42.1", outcome=RollbackOutcome.UNVERIFIED, after=LASTS).due is Due.ASK


def test_a_hold_is_over_once_its_mark_is_back_and_asks_when_its_field_is_gone() -> None:
    assert judged("1.42.0", how=Standing.LIFTED).due is Due.OVER
    assert judged("1.42.1", how=Standing.GONE).due is Due.ASK


def test_all_marks_of_a_policy_end_together() -> None:
    tag = a_hold(field="tag", comment=MARK.replace("cart", "cart:tag"), held="1.42.0", kept="1.41.0")
    digest = a_hold(field="digest", comment=MARK.replace("cart", "cart:digest"), held="sha256:a", kept="sha256:b")
    standings = {tag: Standing.HELD, digest: Standing.HELD}

    def due(image: str) -> Due:
        return judge_hold(a_rollback(tag, digest), standings, {"flux-system:cart": image}, NOW).due

    assert due("registry.example/cart:1.42.1@sha256:c") is Due.RELEASE
    assert due("registry.example/cart:1.42.1@sha256:a") is Due.KEEP
    assert due("registry.example/cart:1.40.0@sha256:c") is Due.ASK
