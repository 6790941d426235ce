"""Targets that need each other in a circle: a fault, because no order exists in which they could go back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from gitops_rollback.adapters.policies.loading import load_policies
from gitops_rollback.adapters.policies.reader import ReadPolicy


def spelt(plain: str, needs: Mapping[str, str]) -> str:
    """The plain policy with a target for each of `needs`, in front of its own, which nothing needs."""
    rows = "".join(
        f"    - {{name: {name}, engine: argocd, application: {{namespace: argocd, name: {name}-app}},"
        f" data: {{rollback: safe}}, dependsOn: [{needed}]}}\n"
        for name, needed in needs.items()
    )
    return plain.replace("  targets:\n", f"  targets:\n{rows}", 1)


@pytest.mark.parametrize(
    ("needs", "circles"),
    [
        pytest.param({"a": "a"}, ["`a` -> `a`"], id="itself"),
        pytest.param({"a": "b", "b": "a"}, ["`a` -> `b` -> `a`"], id="two"),
        pytest.param({"d": "a", "a": "b", "b": "c", "c": "a"}, ["`a` -> `b` -> `c` -> `a`"], id="one-before-it"),
        pytest.param({"a": "b", "b": "a", "x": "x"}, ["`a` -> `b` -> `a`", "`x` -> `x`"], id="each-once"),
        pytest.param({"a": "b, c", "b": "c", "c": ""}, [], id="two-ways-are-no-circle"),
        pytest.param({"a": "elsewhere"}, [], id="a-target-of-another-policy"),
    ],
)
def test_each_circle_is_one_fault_that_names_its_way(
    read: Callable[[str], ReadPolicy], plain: str, needs: dict[str, str], circles: list[str]
) -> None:
    said = [fault.message.replace("'", "`").replace('"', "`") for fault in read(spelt(plain, needs)).errors]
    assert said == [f"targets need each other: {circle}" for circle in circles]


@pytest.mark.parametrize(
    ("needed", "beside", "warned"),
    [("b", "b", 0), ("bb", "b", 1), ("bb", "", 1)],
    ids=["a target of another file", "misspelt", "nobody at all"],
)
def test_who_depends_on_nobody_is_told(plain: str, needed: str, beside: str, warned: int) -> None:
    files = [("a.yaml", "100644", spelt(plain, {"a": needed}).encode())]
    if beside:
        other = plain.replace("name: ", "name: x-").replace("  targets:\n", "  targets:\n", 1)
        files.append(("b.yaml", "100644", spelt(other, {beside: ""}).encode()))
    found = load_policies(files, "c" * 40)
    said = [fault for fault in found.faults if "which is no target of any policy" in fault.message]
    assert found.errors == ()
    assert [(fault.path, fault.is_error) for fault in said] == [("a.yaml", False)] * warned
