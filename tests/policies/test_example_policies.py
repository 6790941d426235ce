"""The example policies are usable as they are, and the schema names every key that they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops_rollback.adapters.policies.loading import load_policies
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.adapters.policies.schema import json_schema
from gitops_rollback.core.policy import Policy, Severity
from gitops_rollback.core.query import VARIABLE, variables_of
from gitops_rollback.core.query_language import language_of
from gitops_rollback.core.selecting import Selectable, filled
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.sandbox.story_texts import FREEZE
from gitops_rollback.sandbox.story_texts import policy as story_policy

EXAMPLES = Path(__file__).resolve().parents[2] / "policies"
FILES = sorted(EXAMPLES.glob("*.yaml"))


def example(name: str) -> Policy:
    return read_policy((EXAMPLES / name).read_bytes(), name, "c" * 40).wanted(name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_example_loads_without_an_error(path: Path) -> None:
    assert read_policy(path.read_bytes(), path.name, "c" * 40).errors == ()


@pytest.mark.parametrize("path", [path for path in FILES if path.name != "payments-prod.yaml"], ids=lambda p: p.name)
def test_each_small_example_is_without_a_warning_and_acts(path: Path) -> None:
    read = read_policy(path.read_bytes(), path.name, "c" * 40)
    assert read.faults == ()
    assert read.wanted(path.name).unbuilt == ()


@pytest.mark.parametrize("guards", ["", FREEZE], ids=["plain", "frozen"])
def test_the_policy_of_the_stories_is_without_a_warning(guards: str) -> None:
    assert read_policy(story_policy(guards).encode(), "shop.yaml", "c" * 40).faults == ()


def test_all_examples_can_lie_in_one_directory() -> None:
    found = load_policies([(path.name, "100644", path.read_bytes()) for path in FILES], "c" * 40)
    assert found.errors == ()
    assert len(found.policies) == len(FILES)


LABELS = {"tier": "web", "app.kubernetes.io/name": "checkout"}
OF_A_FLEET = Selectable(
    ApplicationId("default", "Application", "argocd", "checkout-prod"), "shop", "eu", "shop", LABELS
)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_query_of_the_examples_is_filled_for_their_targets(path: Path) -> None:
    policy = example(path.name)
    for trigger in policy.triggers:
        for template in filter(None, (trigger.query, trigger.bad, trigger.total)):
            target = filled(policy.targets[0], OF_A_FLEET) if policy.targets[0].selector else policy.targets[0]
            assert target is not None
            text = language_of(template).fill(template, variables_of(target))
            assert VARIABLE.search(text) is None


def test_nothing_of_the_full_example_is_not_built() -> None:
    policy = example("payments-prod.yaml")
    assert policy.unbuilt == ()
    assert len(policy.triggers) == 5
    assert [trigger.built for trigger in policy.triggers] == [True] * 5


def test_the_first_policy_only_tells_people() -> None:
    assert {trigger.severity for trigger in example("first.yaml").triggers} == {Severity.PAGE_AND_SUGGEST}


def test_the_full_example_is_the_one_of_the_product_page(shared: Path) -> None:
    assert (EXAMPLES / "payments-prod.yaml").read_text() in (shared / "product.md").read_text()


def test_the_schema_is_draft_07_and_plain_json() -> None:
    schema = json_schema()
    assert schema["$schema"] == "http://json-schema.org/draft-07/schema#"
    text = json.dumps(schema)
    assert "$defs" not in text
    assert '"null"' not in text
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_schema_knows_every_key_of_the_examples(path: Path) -> None:
    schema = json_schema()
    assert not list(unknown_keys(yaml.safe_load(path.read_text()), schema, schema["definitions"], ""))


def unknown_keys(value: Any, schema: dict[str, Any], definitions: dict[str, Any], where: str) -> list[str]:
    """Keys of `value` that no alternative of `schema` has."""
    options = alternatives(schema, definitions)
    if isinstance(value, list):
        items = [option["items"] for option in options if "items" in option]
        return [found for item in value for kind in items for found in unknown_keys(item, kind, definitions, where)]
    if not isinstance(value, dict):
        return []
    known = {key: kind for option in options for key, kind in option.get("properties", {}).items()}
    closed = any(option.get("additionalProperties") is False for option in options)
    found = [f"{where}.{key}" for key in value if closed and key not in known]
    return found + [
        below for key in value if key in known for below in unknown_keys(value[key], known[key], definitions, key)
    ]


def alternatives(schema: dict[str, Any], definitions: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in schema:
        return alternatives(definitions[schema["$ref"].removeprefix("#/definitions/")], definitions)
    nested = [*schema.get("anyOf", []), *schema.get("oneOf", [])]
    return [option for part in nested for option in alternatives(part, definitions)] or [schema]
