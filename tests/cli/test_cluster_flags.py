"""Each verb that asks engines finds the cluster as `run` does: by the same flags, which win over the environment."""

from __future__ import annotations

from collections.abc import Callable

import click
import pytest
from config_world import Answer, World

from gitops_rollback.cli import main

VERBS = {
    "doctor": [],
    "plan": ["payments-prod"],
    "suspects": ["payments-prod"],
    "rollback": ["payments-prod", "--reason", "x"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_the_flags_of_run_name_the_cluster(
    world: World, cli: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    monkeypatch.setenv("GITOPS_ROLLBACK_KUBECONFIG", "from-the-environment")
    answer = cli(verb, *VERBS[verb], "--flux", "--kubeconfig", "from-the-flag", "--context", "eu-2")
    assert answer.code == 2
    assert "from-the-flag" in answer.err
    answer = cli(verb, *VERBS[verb], "--argocd-objects", "-n", "shop")
    assert answer.code == 2
    assert "from-the-environment" in answer.err


def test_approve_takes_them_too() -> None:
    run, approve = (main.cli.get_command(click.Context(main.cli), name) for name in ("run", "approve"))
    assert run is not None
    assert approve is not None
    flags = {"argocd_objects", "flux", "kubeconfig", "context", "namespace", "request_timeout"}
    for command in (run, approve):
        assert flags <= {one.name for one in command.params}
