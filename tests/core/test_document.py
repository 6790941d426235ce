"""Is a document from strangers read as plain values, with places, and refused before it can hurt?"""

from __future__ import annotations

import pytest

from gitops_rollback.core.document import DocumentInvalid, read_document


def test_words_that_yaml_1_1_would_turn_into_something_else_stay_words() -> None:
    text = b"a: yes\nb: off\nc: 1:30\nd: 0777\ne: 2026-11-25\nf: 1_000\ng: .nan\nh: 1e3\non: x\n"
    value = read_document(text).value
    assert isinstance(value, dict)
    assert " ".join(value) == "a b c d e f g h on"
    assert list(value.values()) == ["yes", "off", "1:30", "0777", "2026-11-25", "1_000", ".nan", "1e3", "x"]


def test_plain_values_are_what_they_say_and_quoted_ones_are_text() -> None:
    value = read_document(b"[true, 'true', 12, \"12\", -1.5, null, ~, '', x]").value
    assert value == [True, "true", 12, "12", -1.5, None, None, "", "x"]


def test_each_key_and_item_knows_its_place() -> None:
    marks = read_document(b"\xef\xbb\xbfa:\n  b: [1, x]\n").marks
    assert (marks[("a",)], marks[("a", "b")], marks[("a", "b", 1)]) == ((1, 1), (2, 3), (2, 10))


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        (b"a: &x 1", (1, 4), "anchors"),
        (b"a: *x", (1, 4), "aliases"),
        (b"a: !!python/object:os.system x", (1, 4), "tags"),
        (b"a: ! x", (1, 4), "tags"),
        (b"a: 1\nb: 2\na: 3", (3, 1), "twice"),
        (b"<<: {a: 1}", (1, 1), "merge"),
        (b"? [a]\n: 1", (1, 3), "key"),
        (b"a: 1\n---\nb: 2", (2, 1), "second"),
        (b"a:\tb:\t- c", (0, 0), "YAML"),
        (b"a: [1, 2", (0, 0), "YAML"),
        (b"a: \x00", (1, 4), "NUL"),
        (b"a: 1\nb: \xff", (2, 4), "UTF-8"),
        (b"\xff\xfea\x00", (1, 1), "UTF-16"),
    ],
)
def test_what_is_not_a_plain_document_is_refused_with_its_place(
    text: bytes, place: tuple[int, int], message: str
) -> None:
    with pytest.raises(DocumentInvalid, match=message) as caught:
        read_document(text)
    assert place in ((0, 0), (caught.value.line, caught.value.column))


@pytest.mark.parametrize("text", [b"[" * 60_000, b"{a: " * 15_000, b"- " * 30_000], ids=["lists", "maps", "blocks"])
def test_nesting_is_refused_before_it_is_built(text: bytes) -> None:
    with pytest.raises(DocumentInvalid, match=r"nested|YAML"):
        read_document(text)


def test_a_large_file_is_refused_unread() -> None:
    with pytest.raises(DocumentInvalid, match="more than 65536"):
        read_document(b"a" * 65_537)


def test_nothing_at_all_is_no_value() -> None:
    assert read_document(b"# only a comment\n").value is None
