"""Does a target name its application as an engine of an installed package has it?"""

from __future__ import annotations

from collections.abc import Iterator

from gitops_rollback.adapters.packages import engines
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.core.faults import shown


def engine_faults(spec: View) -> Iterator[Found]:
    """Such an engine is there once, under its own name, and nobody but it knows what its kinds are called."""
    for target in spec.at("targets").items:
        engine, application = target.at("engine").text, target.at("application")
        if engine not in engines() or not target.has("application"):
            continue
        if not application.has("kind"):
            yield application.mark, f"an application of {shown(engine)} needs `kind`", "add it as `get` shows it"
        instance = application.at("instance")
        if instance.text not in (None, engine):
            yield instance.mark, f"{shown(engine)} has no other instance", "remove `instance`"
