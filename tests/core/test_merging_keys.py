"""Undoing a commit in a file that others changed since: by key path, with every other byte as it was."""

from __future__ import annotations

import pytest

from gitops_rollback.core.merging.keys import merge_keys, set_differently, take_keys
from gitops_rollback.core.merging.matching import Path, written

MANIFEST = """\
# the shop's front door
apiVersion: apps/v1
kind: Deployment
metadata:
  name: checkout
spec:
  replicas: 3   # of ten
  template:
    spec:
      containers:
        - name: app
          image: app:1.4
          env:
            - name: TIMEOUT
              value: "5"
            # not for production
            - name: DEBUG
              value: "no"
        - name: proxy
          image: proxy:1
"""


def undone(base: str, culprit: str, now: str) -> str:
    """The text after what `base` -> `culprit` did was taken back in `now`."""
    merged = merge_keys(culprit, now, base)
    assert merged.text is not None, merged
    assert merged.clashes == ()
    return merged.text


def changed(text: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


REPLICAS = ("replicas: 3", "replicas: 9")
IMAGE = ("app:1.4", "app:1.5")
DEBUG = '            # not for production\n            - name: DEBUG\n              value: "no"\n'
PROXY = "        - name: proxy\n          image: proxy:1\n"

# What the culprit does, and what came later on lines beside it: the later change must be all that is left.
BESIDE = {
    "a value": ([REPLICAS], [IMAGE]),
    "a value and its comment": ([("replicas: 3   # of ten", "replicas: 9   # of twenty")], [IMAGE]),
    "a comment alone": ([("# of ten", "# of twenty")], [IMAGE]),
    "a comment, and later the value beside it": ([("# of ten", "# of twenty")], [REPLICAS]),
    "a comment above a key": ([("# not for production", "# never in production")], [('"no"', '"yes"')]),
    "a key that was added": ([("  replicas", "  paused: true\n  replicas")], [REPLICAS]),
    "a key that was taken out": ([("  replicas: 3   # of ten\n", "")], [IMAGE]),
    "an element that was added": ([(PROXY, PROXY + PROXY.replace("proxy", "cache"))], [("proxy:1", "proxy:2")]),
    "an element that was taken out": ([(DEBUG, "")], [('"5"', '"9"')]),
    "the last element": ([(PROXY, "")], [IMAGE]),
    "an element's first key": ([("- name: app\n", "- tty: true\n          name: app\n")], [IMAGE]),
    "a value of another shape": ([('value: "5"', "valueFrom:\n                fieldRef: {fieldPath: a}")], [IMAGE]),
    "a value that became a block": ([('"5"', "|\n                five\n                or so")], [IMAGE]),
    "a key without value": ([("replicas: 3 ", "replicas: ")], [IMAGE]),
}  # fmt: skip


@pytest.mark.parametrize(("bad", "later"), BESIDE.values(), ids=[*BESIDE])
def test_only_the_culprits_keys_go_back(bad: list[tuple[str, str]], later: list[tuple[str, str]]) -> None:
    culprit = changed(MANIFEST, *bad)
    assert undone(MANIFEST, culprit, changed(culprit, *later)) == changed(MANIFEST, *later)


def test_neighbouring_fields_of_one_mapping_are_told_apart() -> None:
    base, culprit, now = "a: 3\nimage: app:1.4\n", "a: 2\nimage: app:1.4\n", "a: 2\nimage: app:1.5\n"
    assert undone(base, culprit, now) == "a: 3\nimage: app:1.5\n"


def test_what_comes_back_is_indented_as_its_new_siblings_are() -> None:
    base = "items:\n- name: a\n  v: 1\n- name: b\n  v:\n    deep: 1\n"
    culprit = "items:\n- name: a\n  v: 1\n"
    now = "items:\n    - name: a\n      v: 2\n"
    assert undone(base, culprit, now) == "items:\n    - name: a\n      v: 2\n    - name: b\n      v:\n        deep: 1\n"


def test_scalars_in_a_set_are_matched_by_value_and_keep_their_order() -> None:
    base, culprit = "resources:\n- a\n- b\n- c\n", "resources:\n- a\n- c\n"
    assert undone(base, culprit, "resources:\n- a\n- c\n- d\n") == "resources:\n- a\n- b\n- c\n- d\n"


@pytest.mark.parametrize("text", ["command: [sh, -c, {}]\n", "args:\n- --port\n- {}\n- last\n", "x:\n- [{}]\n- [1]\n"])
def test_a_list_whose_order_has_a_meaning_is_one_value(text: str) -> None:
    merged = merge_keys(text.format("two"), text.format("two").replace("\n", "", 0) + "y: 1\n", text.format("one"))
    assert merged.text == text.format("one") + "y: 1\n"
    both = merge_keys(text.format("two"), text.format("three"), text.format("one"))
    assert both.text is None
    assert both.clashes


FIRST = "apiVersion: v1\nkind: A\nmetadata:\n  name: one\nv: 1\n"
SECOND = "# the second\n" + FIRST.replace("one", "two")
DOCUMENTS = f"{FIRST}---\n{SECOND}"


def test_documents_are_matched_by_object_wherever_they_stand() -> None:
    bad, later = FIRST.replace("v: 1\n", "v: 2\n"), SECOND.replace("v: 1\n", "v: 7\n")
    assert undone(DOCUMENTS, f"{bad}---\n{SECOND}", f"{later}---\n{bad}") == f"{later}---\n{FIRST}"


def test_a_document_that_went_comes_back_behind_the_same_one() -> None:
    later = FIRST.replace("v: 1\n", "v: 3\n")
    assert undone(DOCUMENTS, FIRST, later) == f"{later}---\n{SECOND}"
    assert undone(FIRST, DOCUMENTS, f"{later}---\n{SECOND}") == later


@pytest.mark.parametrize("nothing", ["", "\n", "# only a comment\n"])
def test_a_file_without_a_document_is_left_alone(nothing: str) -> None:
    for texts in ((nothing,) * 3, (nothing, FIRST, nothing), (FIRST, nothing, FIRST), (nothing, nothing, FIRST)):
        merged = merge_keys(*texts)
        assert merged.text in (texts[1], None)
        assert (merged.text is None) == bool(merged.why)


JSON = '{\n  "replicas": 3,\n  "image": "a:1",\n  "env": [\n    {"name": "A", "v": 1}\n  ]\n}\n'


@pytest.mark.parametrize(
    ("bad", "later"),
    [
        (("3", "9"), ("a:1", "a:2")),
        (('  "image": "a:1",\n', ""), ("3", "4")),
        (('"v": 1}', '"v": 1},\n    {"name": "B", "v": 2}'), ("3", "4")),
        ((',\n  "env": [\n    {"name": "A", "v": 1}\n  ]', ""), ("3", "4")),
        (("{\n", '{\n  "paused": true,\n'), ("3", "4")),
    ],
)
def test_json_keeps_its_commas(bad: tuple[str, str], later: tuple[str, str]) -> None:
    culprit = changed(JSON, bad)
    assert undone(JSON, culprit, changed(culprit, later)) == changed(JSON, later)


def test_windows_line_endings_and_the_byte_order_mark_stay() -> None:
    def windows(text: str) -> str:
        return "\ufeff" + text.replace("\n", "\r\n")

    culprit = changed(MANIFEST, REPLICAS)
    now = changed(culprit, IMAGE)
    assert undone(windows(MANIFEST), windows(culprit), windows(now)) == windows(changed(MANIFEST, IMAGE))
    mixed = windows(now).replace("\r\n", "\n", 1)
    assert merge_keys(windows(culprit), mixed, windows(MANIFEST)).text is None


def test_the_same_key_is_never_guessed_and_its_place_is_named() -> None:
    culprit, now = changed(MANIFEST, IMAGE), changed(MANIFEST, ("app:1.4", "app:1.6"), REPLICAS)
    merged = merge_keys(culprit, now, MANIFEST)
    assert merged.text is None
    assert [written(path) for path in merged.clashes] == ["spec.template.spec.containers[name=app].image"]


def test_the_target_state_sets_the_clashing_key_and_nothing_else() -> None:
    culprit, now = changed(MANIFEST, IMAGE), changed(MANIFEST, ("app:1.4", "app:1.6"), REPLICAS)
    merged = merge_keys(culprit, now, MANIFEST, target=True)
    assert merged.text == changed(MANIFEST, REPLICAS)
    assert len(merged.clashes) == 1


def test_an_element_that_was_added_and_set_again_is_a_clash() -> None:
    more = "- name: a\n  v: 1\n- name: b\n  v: 1\n"
    again = more.replace("b\n  v: 1", "b\n  v: 2")
    merged = merge_keys(f"x:\n{more}", f"x:\n{again}", "x:\n- name: a\n  v: 1\n")
    assert merged.text is None
    assert [written(path) for path in merged.clashes] == ["x[name=b]"]


@pytest.mark.parametrize(
    "quoted",
    [
        'summary: "Pod {{ $labels.pod }} is down"\n',
        "summary: '{{ x }} {{ y }}'\n",
        "summary: |\n  {{- if .Values.x }}\n  a\n  {{- end }}\n",
        '"{{ key }}": 1\n',
        'summary: &s "{{ x }}"\n',
    ],
)
def test_a_template_inside_quotes_is_text_like_any_other(quoted: str) -> None:
    base, culprit, now = (f"{quoted}a: {{b: {b}, c: {c}}}\n" for b, c in ((1, 1), (2, 1), (2, 2)))
    assert undone(base, culprit, now) == f"{quoted}a: {{b: 1, c: 2}}\n"
    again = f"{quoted}a: {{b: 3, c: 2}}\n"
    assert merge_keys(culprit, again, base, target=True).text == f"{quoted}a: {{b: 1, c: 2}}\n"


@pytest.mark.parametrize(
    "line",
    ["b: {{ .Values.b }}", "b: x-{{ .Values.b }}", "{{- if .Values.b }}", "# {{ if x }}", 'b: "{{ x }}" # {{ y }}'],
)
def test_one_quoted_template_does_not_excuse_another_that_is_not(line: str) -> None:
    now = f'c: "{{{{ x }}}}"\na: 2\n{line}\n'
    merged = merge_keys("c: 1\na: 2\n", now, "c: 1\na: 1\n")
    assert (merged.text, "template" in merged.why) == (None, True)


REFUSED = {
    "a template": ("a: 1\n", "a: 2\n", "a: 2\nb: {{ .Values.b }}\n", "template"),
    "a key that stands twice": ("a: 1\n", "a: 2\n", "a: 2\nb: 1\nb: 2\n", "twice"),
    "no YAML": ("a: 1\n", "a: 2\n", "a: [2\n", "not plain YAML"),
    "a value behind an anchor": ("a: &x 1\nb: 1\n", "a: &x 2\nb: 1\n", "a: &x 2\nc: *x\nb: 1\n", "anchor"),
    "a whole document": ("a\n", "b\n", "c\n", "whole document"),
    "deep nesting": ("a: 1\n", "a: 2\n", "a: 2\nb: " + "[" * 60 + "]" * 60 + "\n", "deeply"),
    "merge keys": ("a: 1\n", "a: 2\n", "a: 2\nd: &d {x: 1}\nb:\n  <<: *d\n  y: 1\n", ""),
}


@pytest.mark.parametrize(("base", "culprit", "now", "why"), REFUSED.values(), ids=[*REFUSED])
def test_what_cannot_be_read_for_certain_is_left_alone(base: str, culprit: str, now: str, why: str) -> None:
    merged = merge_keys(culprit, now, base)
    if why:
        assert merged.text is None
        assert why in merged.why
    else:  # an anchor elsewhere is in nobody's way
        assert merged.text == now.replace("a: 2\n", "a: 1\n")


def test_whether_a_commit_set_a_key_is_told_by_its_value_alone() -> None:
    key: Path = merge_keys("a: {b: 1}\n", "a: {b: 2}\n", "a: {b: 3}\n").clashes[0]
    assert set_differently("a: {b: 1}\n", "a: {b: 2}\n", key)
    assert not set_differently("a: {b: 1}\n", "c: 1\na:\n  b: 1\n", key)
    assert set_differently("a: {b: 1}\n", "c: 1\n", key)
    assert set_differently("a: {b: 1}\n", "a: [\n", key)


def test_single_keys_are_taken_from_another_version_and_nothing_else_of_it() -> None:
    other = MANIFEST.replace("app:1.4", "app:1.1").replace("replicas: 3", "replicas: 9").replace("proxy:1", "proxy:0")
    clash = merge_keys(MANIFEST, MANIFEST.replace("app:1.4", "app:1.6"), MANIFEST.replace("app:1.4", "app:1.5"))
    taken = take_keys(MANIFEST, other, clash.clashes)
    assert taken.text == MANIFEST.replace("app:1.4", "app:1.1")


def test_a_key_whose_place_the_other_version_writes_in_another_way_is_not_taken() -> None:
    clash = merge_keys("a: {b: 1}\n", "a: {b: 3}\n", "a: {b: 2}\n")
    assert clash.clashes
    assert take_keys("a: {b: 3}\n", "a: [1]\n", clash.clashes).text is None
    assert take_keys("a: {b: 3}\nc: 1\n", "c: 2\n", clash.clashes).text is None


def test_line_ends_that_the_commit_changed_are_not_called_undone() -> None:
    culprit = MANIFEST.replace("\n", "\r\n")
    merged = merge_keys(culprit, changed(culprit, ("app:1.4", "app:1.6")), MANIFEST)
    assert merged.text is None
    assert "lines end" in merged.why


@pytest.mark.parametrize("empty", ["", "# nothing yet\n"])
def test_a_file_without_any_document_is_left_alone(empty: str) -> None:
    assert merge_keys(MANIFEST, changed(MANIFEST, REPLICAS), empty).text is None
    assert merge_keys(MANIFEST, empty, changed(MANIFEST, REPLICAS)).text is None
    assert merge_keys(empty, MANIFEST, changed(MANIFEST, REPLICAS)).text is None
