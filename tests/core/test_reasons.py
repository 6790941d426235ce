"""Has every reason a text of its own, and can it be found by the word that stands in a message?"""

from __future__ import annotations

from collections import Counter

import pytest

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.reasons import Meaning, meaning_of, sections

MEANINGS = [meaning for _, meanings in sections() for meaning in meanings]


def test_each_reason_is_told_once() -> None:
    assert Counter(one.reason for one in MEANINGS) == Counter(Reason)


@pytest.mark.parametrize("meaning", MEANINGS, ids=[one.reason.value for one in MEANINGS])
def test_both_texts_are_sentences(meaning: Meaning) -> None:
    for text in (meaning.says, meaning.todo):
        assert text.endswith(".")
        assert text[0].isupper() or text.startswith("`")


def test_a_word_is_found_as_it_is_written() -> None:
    found = meaning_of("ImageMissing")
    assert found is not None
    assert found.reason is Reason.IMAGE_MISSING
    assert meaning_of("imagemissing") is None  # an application may bear that name
