"""A field is put into a file that does not have it, and taken out again: the file is then as it was, byte for byte."""

from __future__ import annotations

import pytest

from gitops_rollback.core.manifest_fields import FieldFault
from gitops_rollback.core.manifest_presence import value_at, with_field, without_field

FIELD = "Canary/web: spec.skipAnalysis"
BLOCK = """\
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: None}
---
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: web
spec:   # of the shop
  # what it watches
  targetRef: {kind: Deployment, name: web}
  analysis: {interval: 1m}
"""
FLOW = '{"kind": "Canary", "metadata": {"name": "web"}, "spec": {"targetRef": {"name": "web"}}}\n'
PLAIN_FLOW = "kind: Canary\nmetadata: {name: web}\nspec: {analysis: {interval: 1m}}"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BLOCK, "  # what it watches\n  skipAnalysis: true\n  targetRef"),
        (FLOW, '"spec": {"skipAnalysis": true, "targetRef"'),
        (PLAIN_FLOW, "spec: {skipAnalysis: true, analysis"),
    ],
    ids=["block", "json", "flow"],
)
def test_what_was_put_in_is_taken_out_again_to_the_byte(text: str, line: str) -> None:
    put = with_field(text.encode(), FIELD, True)

    assert line in put.decode()
    assert value_at(put, FIELD) == (True,)
    assert without_field(put, FIELD) == text.encode()


def test_the_last_of_several_is_taken_out_with_its_line() -> None:
    text = "kind: Canary\nmetadata: {name: web}\nspec:\n  targetRef: {}\n  skipAnalysis: false   # for now"

    assert without_field(text.encode(), FIELD).decode() == text[: text.index("  skipAnalysis")]


def test_what_is_not_there_need_not_be_taken_out() -> None:
    assert without_field(BLOCK.encode(), FIELD) == BLOCK.encode()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (BLOCK.replace("name: web\nspec", "name: shop\nspec"), "does not stand there once"),
        ("kind: Canary\nmetadata: {name: web}\nspec: {}\n", "does not stand there once"),
        ("kind: Canary\nmetadata: {name: web}\nspec: &a {b: 1}\n", "does not stand there once"),
        ("kind: Canary\nmetadata: {name: web}\nspec: {{ .Values.spec }}\n", "template"),
    ],
    ids=["another", "empty", "anchor", "template"],
)
def test_where_there_is_no_certain_place_nothing_is_written(text: str, why: str) -> None:
    with pytest.raises(FieldFault, match=why):
        with_field(text.encode(), FIELD, True)
