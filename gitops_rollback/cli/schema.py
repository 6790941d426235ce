"""`gitops-rollback schema`: the JSON Schema of a policy or a request, for completion and hover texts in an editor."""

from __future__ import annotations

from gitops_rollback.adapters.policies import schema as policies
from gitops_rollback.adapters.requests import schema as requests
from gitops_rollback.cli.output import print_document

SCHEMAS = {"policy": policies.json_schema, "request": requests.json_schema}


def carry_out(kind: str) -> None:
    print_document(SCHEMAS[kind](), "json")
