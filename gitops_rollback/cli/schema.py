"""`gitops-rollback schema`: the JSON Schema of a policy or a request, for completion and hover texts in an editor."""

from __future__ import annotations

import click

from gitops_rollback.adapters.policies import schema as policies
from gitops_rollback.adapters.requests import schema as requests
from gitops_rollback.cli.output import print_document

SCHEMAS = {"policy": policies.json_schema, "request": requests.json_schema}


@click.command
@click.argument("kind", type=click.Choice(tuple(SCHEMAS)), default="policy")
def command(kind: str) -> None:
    """The JSON Schema (draft-07) of a policy, or of a request.

    \b
    Examples:
      gitops-rollback schema > .gitops-rollback/schema/rollbackpolicy-v1alpha1.schema.json
      gitops-rollback schema request > .gitops-rollback/schema/rollbackrequest-v1alpha1.schema.json
    """
    print_document(SCHEMAS[kind](), "json")
