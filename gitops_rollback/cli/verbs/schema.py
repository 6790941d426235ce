"""How `gitops-rollback schema` is called. `gitops_rollback.cli.schema` does it, and is loaded only then."""

from __future__ import annotations

from typing import Any

import click


@click.command
@click.argument("kind", type=click.Choice(("policy", "request")), default="policy")
def command(**typed: Any) -> None:
    """The JSON Schema (draft-07) of a policy, or of a request.

    \b
    Examples:
      gitops-rollback schema > .gitops-rollback/schema/rollbackpolicy-v1alpha1.schema.json
      gitops-rollback schema request > .gitops-rollback/schema/rollbackrequest-v1alpha1.schema.json
    """
    from gitops_rollback.cli.schema import carry_out

    carry_out(**typed)
