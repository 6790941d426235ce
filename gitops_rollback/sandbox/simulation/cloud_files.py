"""Files of infrastructure in a simulated config repository, and what of each would destroy something if it went back.

Read here by patterns of their own, so that the oracles do not rest on the product's way to read them.
"""

from __future__ import annotations

import re

CODE_LEVEL, MORE = "1", 'resource "aws_s3_bucket" "more" {}\n'
_DATABASE = """apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: {{name: {name}-db, namespace: shop}}
spec:
  approvePlan: "{approve}"
  path: ./infra/{name}
  destroy: {destroy}
  values:
    LEVEL: "{level}"
"""
_QUEUE = """apiVersion: sqs.aws.upbound.io/v1beta1
kind: Queue
metadata: {{name: {name}-queue}}
spec:
  forProvider:
    LEVEL: "{level}"
"""
_CODE = 'resource "aws_db_instance" "{name}" {{}}\n{more}locals {{ said = {{ LEVEL: "{level}" }} }}\n'
_RULES = """
  strategies:
    - name: code
      match: {{paths: ["infra/{name}/**"]}}
      type: infrastructure
      infrastructure: {{syncTimeout: 8m, objects: [{{kind: Terraform, namespace: shop, name: {name}-db}}]}}
    - {{name: cloud, type: infrastructure, infrastructure: {{syncTimeout: 8m}}}}"""
_LEVEL = re.compile(rb'(LEVEL: )"\S+"')


def rules(name: str) -> str:
    """What a policy says of it: the run of code shows in its object, that of any other file in its own."""
    return _RULES.format(name=name)


def database_file(name: str) -> str:
    """The object whose controller runs the code."""
    return f"apps/{name}/database.yaml"


def queue_file(name: str) -> str:
    """An object of Crossplane."""
    return f"apps/{name}/queue.yaml"


def code_file(name: str) -> str:
    """What the database's controller runs."""
    return f"infra/{name}/main.tf"


def database(name: str, level: str, approve: str = "auto", destroy: bool = False) -> bytes:
    """`approve` "": each plan of it waits for a person. `destroy`: its run takes all that it manages away."""
    return _DATABASE.format(name=name, level=level, approve=approve, destroy=str(destroy).lower()).encode()


def queue(name: str, level: str) -> bytes:
    """One that is there for a release or two."""
    return _QUEUE.format(name=name, level=level).encode()


def code(name: str, level: str, more: bool = False) -> bytes:
    """A database, and another thing beside it."""
    return _CODE.format(name=name, level=level, more=MORE if more else "").encode()


def at_level(text: bytes, level: str) -> bytes:
    """The same file with another value."""
    return _LEVEL.sub(rb'\1"' + level.encode() + b'"', text)


def destroys(text: bytes | None) -> bool:
    """The run of this object takes away all that it manages."""
    return text is not None and b"\n  destroy: true\n" in text


def is_manual(text: bytes) -> bool:
    """Each plan of this object waits for a person."""
    return b'approvePlan: ""' in text
