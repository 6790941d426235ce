"""What the recorded Flux wrote, and what the sandbox's writes, in a form in which the two can be compared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sandbox_flux_world import FLUX, REQUESTED_AT, FluxFleet

from gitops_rollback.sandbox.flux import Timing
from gitops_rollback.sandbox.kubernetes.kinds import GIT_REPOSITORY, Kind

Json = dict[str, Any]
SHA = re.compile(r"(?<![0-9a-f])(?:[0-9a-f]{40}|(?<=\+)[0-9a-f]{12})(?![0-9a-f])")
ADDRESS = re.compile(r"http://[^/]+")
TOOK = re.compile(r"\A[0-9.]+(?:m[0-9.]+)?m?s\Z")
SNAPSHOT = (
    "version",
    "status",
    "action",
    "apiVersion",
    "name",
    "namespace",
    "chartName",
    "chartVersion",
    "configDigest",
)
DURATION = re.compile(r"(in|after) [0-9.]+(?:m[0-9.]+)?m?s")
RECORDED_TIMING = Timing(requeue=5.0)


def facets(body: Json, names: Mapping[str, str]) -> Json:
    """What of an object is compared: times, sizes and digests are left out, commits are named by their order."""

    def plain(value: Any) -> str:
        said = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        said = ADDRESS.sub("", DURATION.sub(r"\1 SOME TIME", TOOK.sub("SOME TIME", said)))
        return SHA.sub(lambda found: names.get(found[0], "before"), said)

    status = dict(body.get("status") or {})
    conditions = status.pop("conditions", [])
    found: Json = {
        f"condition {one['type']}": plain([one["status"], one["reason"], one["message"], one["observedGeneration"]])
        for one in conditions
    }
    found["order"] = [one["type"] for one in conditions]
    found["shape"] = sorted({name for one in conditions for name in one})
    history = status.pop("history", [])
    if history and "metadata" in history[0]:
        newest = history[0]
        found["history"] = plain([sorted(newest), newest["lastReconciledStatus"], newest["metadata"]])
    elif history:
        found["history"] = [plain([sorted(one), *(one.get(name) for name in SNAPSHOT)]) for one in history]
    if artifact := status.pop("artifact", None):
        found["artifact"] = plain([sorted(artifact), artifact["revision"]])
    found["asked"] = (body["metadata"].get("annotations") or {}).get(REQUESTED_AT, "")
    found["finalizers"] = body["metadata"].get("finalizers", [])
    found["labels"] = body["metadata"].get("labels", {})
    if body["kind"] == "HelmChart":
        found["spec"] = body["spec"]
    return {**found, **{name: plain(value) for name, value in status.items()}}


def writes(bodies: Iterable[Json], names: Mapping[str, str], base: Json | None) -> list[Json]:
    """What each state changes of the one before: the value, or None for what is gone."""
    before, told = facets(base, names) if base else {}, []
    for body in bodies:
        after = facets(body, names)
        keys = sorted(before.keys() | after.keys())
        changed = {key: after.get(key) for key in keys if before.get(key) != after.get(key)}
        told += [changed] if changed else []
        before = after
    return told


class Recording:
    """One recorded story. `pushed` are its commits in their order."""

    def __init__(self, shared: Path, story: str) -> None:
        folder = shared / "recordings" / "flux" / story
        lines = [json.loads(line) for line in (folder / "watch.jsonl").read_text().splitlines()]
        self._lists = [item for line in lines if "list" in line for item in line["list"].get("items") or ()]
        self._events = [line["event"]["object"] for line in lines if "event" in line]
        told = [json.loads(line) for line in (folder / "story.jsonl").read_text().splitlines()]
        self.pushed = [one["sha"] for one in told if "sha" in one]

    def writes(self, kind: Kind, name: str) -> list[Json]:
        def own(body: Json) -> bool:
            return (body.get("kind"), body["metadata"].get("name")) == (kind.kind, name)

        base = next((body for body in self._lists if own(body)), None)
        return writes(filter(own, self._events), _named(self.pushed), base)


def _named(pushed: Iterable[str]) -> dict[str, str]:
    known = {sha: f"commit {number}" for number, sha in enumerate(pushed)}
    return known | {sha[:12]: name for sha, name in known.items()}


def ours(fleet: FluxFleet, kind: Kind, name: str, since: int, pushed: Iterable[str]) -> list[Json]:
    changes = [change for change in fleet.store.changes(since, kind, FLUX) if change.ref.name == name]
    base = changes[0].before if changes else None
    return writes([change.after for change in changes], _named(pushed), base)


def assert_same(found: list[Json], recorded: list[Json]) -> None:
    for number, (one, other) in enumerate(zip(found, recorded, strict=False)):
        assert one == other, f"write {number}: {one} != {other}"
    assert len(found) == len(recorded) > 3


def land(fleet: FluxFleet, number: int, files: Mapping[str, str | None]) -> str:
    sha = fleet.push(files)
    fleet.request(GIT_REPOSITORY, "fleet", f"rec-{number}")
    return sha


def at_source(fleet: FluxFleet, sha: str) -> bool:
    artifact = fleet.status("fleet", GIT_REPOSITORY)["artifact"]
    return str(artifact["revision"]) == f"main@sha1:{sha}"
