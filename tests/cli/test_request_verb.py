"""`request` as a person runs it, against real git and the sandbox's forge."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from config_world import POLICY, Answer, World
from sandbox_forge_world import Stage, forge_world

from gitops_rollback.adapters.requests.reader import read_request
from gitops_rollback.core.request import LastHealthy, Without
from gitops_rollback.sandbox.forge import token_of

Cli = Callable[..., Answer]
POLICY_PATH = ".gitops-rollback/policies/payments-prod.yaml"
BY_REQUEST = f"{POLICY}  delivery: {{mode: pull-request}}\n"


@pytest.fixture(params=["github", "gitlab", "gitea"])
def stage(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A repository at a forge, whose policy delivers by pull request, and a person with a token there."""
    with forge_world(tmp_path, request.param, {POLICY_PATH: BY_REQUEST}) as stage:
        config = tmp_path / "gitops-rollback.yaml"
        url, token = f"{stage.forge.url}/{stage.forge.state.repository}.git", token_of("writer")
        config.write_text(
            f"repositories: [{{url: '{url}', git: {{username: writer, token: {token}}},"
            f" forge: {{kind: {request.param}}}}}]\nstateDir: {tmp_path / 'state'}\n"
        )
        monkeypatch.setenv("GITOPS_ROLLBACK_CONFIG", str(config))
        monkeypatch.chdir(tmp_path)
        yield stage


def written(stage: Stage, branch: str) -> tuple[str, bytes]:
    """The one file that the branch adds."""
    address = stage.forge.url.replace("http://", f"http://writer:{token_of('writer')}@")
    stage.git("fetch", "-q", f"{address}/{stage.forge.state.repository}.git", f"{branch}:{branch}")
    path = stage.git("diff", "--name-only", f"main...{branch}")
    return path, f"{stage.git('show', f'{branch}:{path}')}\n".encode()


def test_it_opens_a_pull_request_with_the_file_and_prints_its_address(stage: Stage, cli: Cli) -> None:
    answer = cli("request", "checkout-api", "--reason", "cards fail", "--yes")
    assert answer.code == 0, answer.err
    branch = answer.err.partition("pushed ")[2].splitlines()[0]
    assert branch.startswith("gitops-rollback/request/")
    path, text = written(stage, branch)
    read = read_request(text, path)
    assert read.faults == ()
    assert read.request is not None
    assert (read.request.to, read.request.reason) == (LastHealthy(), "cards fail")
    assert (read.request.target.name, read.request.target.policy) == ("checkout-api", "payments-prod")
    assert answer.out.startswith(f"{path}:\n# +argocd:skip-file-rendering\n")
    assert answer.out.rstrip().splitlines()[-1].startswith(stage.forge.url)


def test_the_alias_says_the_same_as_a_document(stage: Stage, cli: Cli) -> None:
    sha = stage.heads["bad"]
    words = ("rollback", "checkout-api", "--pr", "--revert", sha, "--reason", "see INC-42", "--yes", "-o", "json")
    answer = cli(*words)
    assert answer.code == 0, answer.err
    document = answer.document
    assert isinstance(document, dict)
    assert document["number"] == 1
    read = read_request(written(stage, document["branch"])[1], document["path"])
    assert read.request is not None
    assert read.request.to == Without((sha,))


def test_without_a_terminal_it_needs_a_yes_and_writes_nothing(stage: Stage, cli: Cli) -> None:
    answer = cli("request", "checkout-api", "--reason", "cards fail")
    assert answer.code == 2
    assert "needs --yes" in answer.err
    assert "pushed" not in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["request", "chekout-api", "--reason", "x", "--yes"], "known: checkout-api"),
        (["request", "checkout-api", "--reason", "x", "--to", "5ab3c90", "--yes"], "no full SHA"),
        (["request", "checkout-api", "--reason", "x", "--expires", "0s", "--yes"], "from 1s to 90d"),
        (["request", "checkout-api", "--yes"], "--reason"),
    ],
)
def test_what_cannot_be_asked_for_is_said(stage: Stage, cli: Cli, words: list[str], said: str) -> None:
    answer = cli(*words)
    assert answer.code == 2
    assert said in answer.err


def test_without_a_forge_it_is_what_rollback_does_and_says_so(world: World, cli: Cli) -> None:
    answer = cli("request", "checkout-api", "--reason", "cards fail", "--yes")
    assert "No pull request: the settings name no forge." in answer.err
    assert "is no watched application" in answer.err, "no engine is asked here, so nothing is watched"
    assert answer.code != 0
