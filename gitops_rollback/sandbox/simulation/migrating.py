"""Files of an application whose releases move data, and what they say: how much serves, which Jobs run, what fits.

A release brings a Job that moves the data forward, and one that moves it back, which no list names. Read here by
patterns of their own, so that the oracles do not rest on the product's way to read a field.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random

from gitops_rollback.sandbox.simulation.objects import Objects

SERVER, LIST, BACK = "server.yaml", "kustomization.yaml", "back.yaml"
PLAIN = ("deployment.yaml", "config.yaml", "secret.yaml", SERVER)  # what the list names; a Job comes after these
REPLICAS = 3
FIRST = "1.0"  # the version whose data is as it was in the beginning

_SERVER = """apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}-server
  namespace: shop
spec:
  replicas: {replicas}  # by hand
  template:
    spec:
      containers:
        - name: server
          image: registry.example/{name}-server:{version}
"""
_JOB = """apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  namespace: shop
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: sql
          image: "registry.example/{application}-server:{version}"
          args: ["{leaves}"]
"""
_DECLARED = """
        reverse:
          file: apps/{name}/kustomization.yaml
          field: "resources[4]"
          to: back.yaml
          job: {{namespace: shop, name: {name}-back}}"""
_RULES = """
  strategies:
    - name: schema{match}
      type: migration
      migration:
        traffic: {{file: apps/{name}/server.yaml, field: spec.replicas, quiet: [requests]}}
        workload: {{kind: Deployment, namespace: shop, name: {name}-server}}{declared}{rows}
        safeEnd: {end}"""
_REPLICAS = re.compile(rb"(?m)^  replicas: (\d+)")
_IMAGE = re.compile(rb"image: \S+-server:([\w.]+)")
_ENTRY = re.compile(rb"(?m)^  - (\S+)\n")
_JOBS = re.compile(rb"(?m)^  - ((?:forward-|back)\S*)\n")
_NAMED = re.compile(rb"kind: Job\nmetadata:\n  name: (\S+)")
_LEAVES = re.compile(rb'args: \["(\d+)"\]')


@dataclass(frozen=True)
class JobText:
    """A Job of a file, and how it leaves the data: as the release of this number wants it."""

    name: str
    leaves: int


def first_server(name: str) -> dict[str, bytes]:
    """The files of an application before anything has been moved."""
    folder = f"apps/{name}"
    return {f"{folder}/{SERVER}": server(name, FIRST, REPLICAS), f"{folder}/{LIST}": listing()}


def migration_rules(name: str, random: Random) -> str:
    """What a policy says of it: mostly what reverses a migration, in one of the ways in which people may write it."""
    said = random.random()
    if said < 0.1:
        return ""
    folder = f"apps/{name}"
    files = f'paths: ["{folder}/{SERVER}", "{folder}/{LIST}", "{folder}/forward-*.yaml", "{folder}/{BACK}"]'
    return _RULES.format(
        name=name,
        match=random.choice(("", f"\n      match: {{{files}}}")),
        declared="" if said < 0.25 else _DECLARED.format(name=name),
        rows=random.choice(("\n        rows: [rows]", "\n        rows: [rows]", "")),
        end=random.choice(("finish", "finish", "back")),
    )


def server(name: str, version: str, replicas: int) -> bytes:
    """The code that serves, and in how many Pods."""
    return _SERVER.format(name=name, version=version, replicas=replicas).encode()


def listing(*jobs: str) -> bytes:
    """What is deployed: the ordinary files, and these."""
    return ("resources:\n" + "".join(f"  - {one}\n" for one in (*PLAIN, *jobs))).encode()


def job(application: str, way: str, version: str, leaves: int) -> bytes:
    """A Job that leaves the data as a release wants it."""
    return _JOB.format(name=f"{application}-{way}", application=application, version=version, leaves=leaves).encode()


def version_of(release: int) -> str:
    """The code of a release."""
    return f"5.{release}" if release else FIRST


def wants(version: str) -> int:
    """The release whose data this code can read and write."""
    return int(version.partition(".")[2]) if version.startswith("5.") else 0


def replicas_of(text: bytes) -> int:
    """In how many Pods the code is to serve; 0 where the file does not say."""
    found = _REPLICAS.search(text)
    return int(found[1]) if found else 0


def image_of(text: bytes) -> str:
    """The version of the code."""
    found = _IMAGE.search(text)
    return found[1].decode() if found else ""


def listed(text: bytes) -> tuple[str, ...]:
    """The files that a list names, in their order."""
    return tuple(name.decode() for name in _ENTRY.findall(text))


def with_replicas(text: bytes, replicas: int) -> bytes:
    """The same with another number of Pods."""
    return _REPLICAS.sub(b"  replicas: %d" % replicas, text)


def moved(file: str, text: bytes) -> tuple[object, ...]:
    """The values of this file that a coordinated rollback may set, and nothing else of it."""
    return (replicas_of(text),) if file == SERVER else tuple(_JOBS.findall(text))


def without_moved(file: str, text: bytes) -> bytes:
    """The rest of the file."""
    return with_replicas(text, 0) if file == SERVER else _JOBS.sub(b"", text)


def jobs_of(objects: Objects, application: str, treeish: str) -> tuple[JobText, ...]:
    """The Jobs that a commit deploys; a file that is listed and missing is none."""
    names = listed(objects.text(treeish, f"apps/{application}/{LIST}") or b"")
    texts = (objects.text(treeish, f"apps/{application}/{one}") or b"" for one in names)
    found = ((_NAMED.search(text), _LEAVES.search(text)) for text in texts)
    return tuple(JobText(named[1].decode(), int(leaves[1])) for named, leaves in found if named and leaves)


def is_whole(objects: Objects, application: str, treeish: str) -> bool:
    """What its list names is there: else nobody can render it."""
    names = listed(objects.text(treeish, f"apps/{application}/{LIST}") or b"")
    return all(objects.entry(treeish, f"apps/{application}/{one}") is not None for one in names)


def reverses(objects: Objects, application: str, treeish: str) -> bool:
    """A commit deploys the Job that moves the data back."""
    return any(one.name == f"{application}-back" for one in jobs_of(objects, application, treeish))


def serves(objects: Objects, application: str, treeish: str) -> int:
    """In how many Pods it wants the code to serve."""
    return replicas_of(objects.text(treeish, f"apps/{application}/{SERVER}") or b"")


def code_of(objects: Objects, application: str, treeish: str) -> str:
    """The version of the code that it wants to serve."""
    return image_of(objects.text(treeish, f"apps/{application}/{SERVER}") or b"")
