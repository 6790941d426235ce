"""`gitops-rollback schema`: the JSON Schema of a policy, for completion and hover texts in an editor."""

from __future__ import annotations

import click

from gitops_rollback.adapters.policies.schema import json_schema
from gitops_rollback.cli.output import print_document


@click.command
def command() -> None:
    """The JSON Schema (draft-07) of a policy.

    \b
    Examples:
      gitops-rollback schema > .gitops-rollback/schema/rollbackpolicy-v1alpha1.schema.json
    """
    print_document(json_schema(), "json")
