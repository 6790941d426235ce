"""Of random manifests: undoing one set of keys leaves another set, and every other byte, as they are."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_rollback.core.merging.keys import merge_keys
from gitops_rollback.core.merging.lines import merged_lines

NAMES = st.sampled_from(["app", "proxy", "image", "tag", "replicas", "env", "on", "a-b", "port"])
SCALARS = st.sampled_from(["1", "1.10", "on", '"on"', "app:1.4", "'x'", "a b", "~", '"{}"'])
Tree = Mapping[str, object]
Leaf = tuple[str | int, ...]


def trees(depth: int) -> st.SearchStrategy[object]:
    if not depth:
        return SCALARS
    below = trees(depth - 1)
    elements = st.lists(st.dictionaries(NAMES, below, max_size=3), min_size=1, max_size=3)
    named = elements.map(lambda items: [{"name": f"n{place}", **item} for place, item in enumerate(items)])
    return st.one_of(SCALARS, st.dictionaries(NAMES, below, min_size=1, max_size=4), named)


MANIFESTS = st.dictionaries(NAMES, trees(3), min_size=2, max_size=4).map(lambda tree: {"kind": "A", **tree})


def text(node: object, indent: str = "", path: tuple[str, ...] = ()) -> str:
    """Block style, a comment above and behind some of the keys."""
    if isinstance(node, dict):
        return "".join(_entry(f"{indent}{key}:", value, f"{indent}  ", (*path, key)) for key, value in node.items())
    assert isinstance(node, list)
    lines = [text(item, f"{indent}  ", (*path, str(place))) for place, item in enumerate(node)]
    return "".join(f"{indent}- {line[len(indent) + 2 :]}" for line in lines)


def _entry(head: str, value: object, indent: str, path: tuple[str, ...]) -> str:
    above = f"{indent[2:]}# about {path[-1]}\n" if len(path[-1]) == 3 and len(path) % 2 and path[-1] != "name" else ""
    if isinstance(value, str):
        behind = "  # as agreed" if len(path[-1]) == 4 else ""
        return f"{above}{head} {value}{behind}\n"
    return f"{above}{head}\n{text(value, indent, path)}"


def leaves(node: object, path: Leaf = ()) -> list[Leaf]:
    if isinstance(node, str):
        return [path] if path[-1] not in ("name", "kind") else []
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [leaf for key, value in pairs for leaf in leaves(value, (*path, key))]


def with_changes(
    node: object, changes: Mapping[tuple[str | int, ...], str], path: tuple[str | int, ...] = ()
) -> object:
    if path in changes:
        return changes[path]
    if isinstance(node, dict):
        return {key: with_changes(value, changes, (*path, key)) for key, value in node.items()}
    if isinstance(node, list):
        return [with_changes(value, changes, (*path, place)) for place, value in enumerate(node)]
    return node


@given(MANIFESTS, st.data())
@settings(max_examples=300, deadline=None)
def test_undoing_some_keys_equals_never_having_set_them(manifest: Tree, data: st.DataObject) -> None:
    all_leaves = leaves(manifest)
    bad = data.draw(st.sets(st.sampled_from(all_leaves), min_size=1)) if all_leaves else set()
    later = [leaf for leaf in all_leaves if leaf not in bad and data.draw(st.booleans())]
    culprit = with_changes(manifest, dict.fromkeys(bad, "bad"))
    now = with_changes(culprit, dict.fromkeys(later, "later"))
    wanted = text(with_changes(manifest, dict.fromkeys(later, "later")))
    assert merge_keys(text(culprit), text(now), text(manifest)).text == wanted
    assert merged_lines(text(culprit), text(now), text(manifest)) in (wanted, None)


def without(node: object, gone: Leaf, path: Leaf = ()) -> object:
    """The manifest without one key."""
    if isinstance(node, dict):
        return {key: without(value, gone, (*path, key)) for key, value in node.items() if (*path, key) != gone}
    if isinstance(node, list):
        return [without(value, gone, (*path, place)) for place, value in enumerate(node)]
    return node


@given(MANIFESTS, st.data())
@settings(max_examples=200, deadline=None)
def test_a_key_that_came_goes_and_one_that_went_comes_back_beside_later_changes(
    manifest: Tree, data: st.DataObject
) -> None:
    all_leaves = leaves(manifest)
    key = data.draw(st.sampled_from(all_leaves)) if all_leaves else ("kind",)
    later = dict.fromkeys((leaf for leaf in all_leaves if leaf != key and data.draw(st.booleans())), "later")
    less = without(manifest, key)
    for before, culprit in ((manifest, less), (less, manifest)):
        now = text(with_changes(culprit, later))
        wanted = text(with_changes(before, later))
        assert merge_keys(text(culprit), now, text(before)).text in (wanted, None)


@given(MANIFESTS, MANIFESTS, MANIFESTS)
@settings(max_examples=300, deadline=None)
def test_whatever_is_merged_can_be_undone_only_once(one: Tree, two: Tree, three: Tree) -> None:
    base, ours, theirs = text(one), text(two), text(three)
    for target in (False, True):
        merged = merge_keys(base, ours, theirs, target)
        if merged.text is not None:
            assert merge_keys(base, merged.text, theirs, target).text == merged.text
