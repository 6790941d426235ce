"""What the README and the guides show can be typed as it stands, and is true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.settings_environment import overlay
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.cli.main import VERBS, cli
from gitops_rollback.core.stop import CONTROL_BRANCH, CONTROL_PATH, HEAD_PATH
from gitops_rollback.sandbox.all_stories import ALL_STORIES
from gitops_rollback.sandbox.quarter_demo import QUARTER

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
GUIDES = "\n".join(page.read_text() for page in sorted((ROOT / "docs" / "how-to").glob("*.md")))


def blocks(text: str) -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)


YAML = blocks(README)
SHOWN = blocks(GUIDES)


def test_the_policy_is_without_any_fault() -> None:
    (policy,) = [one for one in YAML if "kind: RollbackPolicy" in one]
    assert read_policy(policy.encode(), "checkout.yaml", "c" * 40).faults == ()


def test_the_places_of_a_policy_are_without_any_fault() -> None:
    (policy,) = [one for one in YAML if "kind: RollbackPolicy" in one]
    (places,) = [one for one in SHOWN if one.lstrip().startswith("notifications:")]
    assert read_policy((policy + places).encode(), "checkout.yaml", "c" * 40).faults == ()


def test_the_regression_of_a_policy_is_without_any_fault() -> None:
    (policy,) = [one for one in YAML if "kind: RollbackPolicy" in one]
    (rise,) = [one for one in SHOWN if "type: regression" in one]
    text = policy.partition("  triggers:\n")[0] + rise
    assert read_policy(text.encode(), "checkout.yaml", "c" * 40).faults == ()


SETTINGS = [
    one
    for one in [*YAML, *SHOWN, *blocks((ROOT / "docs" / "in-the-way.md").read_text())]
    if one.startswith("# gitops-rollback.yaml")
]


@pytest.mark.parametrize("text", SETTINGS, ids=[one.split("\n")[1].partition(":")[0] for one in SETTINGS])
def test_the_settings_are_without_any_fault(tmp_path: Path, text: str) -> None:
    secret, config = tmp_path / "secret", tmp_path / "gitops-rollback.yaml"
    secret.write_text("a-token-that-is-long-enough")
    config.write_text(re.sub(r"/etc/gitops-rollback/[a-z-]+", str(secret), text))
    settings = load_settings({}, {"config": str(config)})
    told = settings.hooks or settings.registries or settings.templates
    assert told or settings.repositories[0].render or settings.repositories[0].forge


def test_every_story_and_no_other_is_told() -> None:
    assert re.findall(r"^\| `([a-z-]+)` \|", README, re.MULTILINE) == [
        *(story.name for story in ALL_STORIES),
        QUARTER.name,
    ]


COMMANDS = re.findall(r"gitops-rollback ((?:[a-z]+)(?: [^`\n#,]+)?)", README)


@pytest.mark.parametrize("command", [one for one in COMMANDS if one.split()[0] in VERBS])
def test_every_command_has_that_verb_and_those_options(command: str) -> None:
    verb, *words = command.split()
    made = cli.get_command(None, verb)  # the group needs no context to load a verb
    assert made is not None
    known = {name for parameter in made.params for name in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known


def test_the_commands_of_the_readme_are_found() -> None:
    assert {"run", "lint", "plan", "explain", "rollback", "approve", "pause", "get"} <= {
        one.split()[0] for one in COMMANDS
    }


@pytest.mark.parametrize(
    "name", sorted(set(re.findall(r"\b(?:GITOPS_ROLLBACK_[A-Z_]+|ARGOCD_[A-Z_]+)\b", README + GUIDES)))
)
def test_every_variable_sets_something(name: str) -> None:
    nothing, something = overlay({}, {}), overlay({name: "x"}, {})
    assert something != nothing


def test_the_doors_that_stop_it_are_where_it_says() -> None:
    assert f"`{CONTROL_PATH}` on the branch\n  `{CONTROL_BRANCH}`" in README
    assert f"`{HEAD_PATH}`" in README


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#]+)\)", README))
def test_every_link_leads_somewhere(link: str) -> None:
    assert (ROOT / link).exists()


def test_the_pictures_are_there_and_small() -> None:
    shown = re.findall(r"!\[[^\]]+\]\((docs/pictures/[^)]+)\)", README)
    assert shown
    for path in shown:
        assert (ROOT / path).stat().st_size < 150_000
