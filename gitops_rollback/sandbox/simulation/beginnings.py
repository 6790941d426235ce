"""How a world begins whose applications need each other, or have infrastructure: files, policies, and what runs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gitops_rollback.sandbox.simulation.cloud import Cloud
from gitops_rollback.sandbox.simulation.cloud_files import (
    code,
    code_file,
    database,
    database_file,
    queue,
    queue_file,
    rules,
)
from gitops_rollback.sandbox.simulation.engine import ArgoCluster
from gitops_rollback.sandbox.simulation.files import PolicyText
from gitops_rollback.sandbox.simulation.needing import api_file, brings, cascade_rules, lacks, needs_of
from gitops_rollback.sandbox.simulation.world import World

BY_HAND = ("auto", "auto", "")  # one of three lets no plan run by itself


def more_files(world: World) -> dict[str, bytes]:
    """What stands in the repository beside the ordinary; the truth knows of it from here on."""
    files: dict[str, bytes] = {}
    if world.setup.cascades:
        world.needs = needs_of(world.setup.names, world.random("needs"))
        world.truth.lacks = partial(lacks, world.truth, world.needs)
        files |= {api_file(name): brings(name, 1) for name in world.setup.names}
    for name in world.setup.provisioned:
        random = world.random(f"infrastructure of {name}")
        files[database_file(name)] = database(name, "1", random.choice(BY_HAND))
        files[code_file(name)] = code(name, "1")
        if random.random() < 0.5:
            files[queue_file(name)] = queue(name, "1")
        world.truth.shared[name] = code_file(name)
    return files


def with_more(policy: PolicyText, world: World) -> PolicyText:
    """The policy with what it says of all that."""
    name = policy.name
    if world.setup.cascades:
        depth, words = cascade_rules(world.random(f"cascade of {name}"))
        policy = replace(policy, needs=world.needs.get(name, ()), depth=depth, cascade=words)
    return replace(policy, strategies=rules(name)) if name in world.setup.provisioned else policy


def provide(world: World) -> None:
    """The infrastructure that was made long ago."""
    if not world.setup.provisioned:
        return
    world.cloud = Cloud(world.schedule, world.objects, world.cluster.live, world.tell, world.random("cloud"))
    world.cloud.start(world.setup.provisioned)
    if isinstance(world.cluster, ArgoCluster):
        world.cluster.more_objects = world.cloud.documents
