"""One request file, from bytes to a request or to all of its faults at once; as little trusted as a policy."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from gitops_rollback.adapters.policies.lint import unmarked
from gitops_rollback.adapters.policies.loading import PolicyFile, no_plain_file
from gitops_rollback.adapters.policies.rules_shape import Found
from gitops_rollback.adapters.policies.shape_faults import one_a_place, one_mapping, read_shape
from gitops_rollback.adapters.policies.view import View
from gitops_rollback.adapters.requests.schema import RequestShape, ToShape
from gitops_rollback.core.faults import Fault, in_order, shown
from gitops_rollback.core.request import (
    DEFAULT_EXPIRES,
    KIND,
    Before,
    Execute,
    LastHealthy,
    RequestTarget,
    RollbackRequest,
    To,
    ToCommit,
    Without,
)
from gitops_rollback.core.written import Mapped, Mark, read_written

WAYS = ("lastHealthy", "commit", "revert", "before")


@dataclass(frozen=True)
class ReadRequest:
    """A request with its warnings, or None and what is wrong.

    `places`: where `target.policy`, `target.name`, `to`, `acknowledge` and `expires` stand, for what only the
    repository can tell.
    """

    path: str
    request: RollbackRequest | None
    faults: tuple[Fault, ...]
    places: Mapping[str, Mark] = field(default_factory=dict)

    @property
    def errors(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault.is_error)

    def fault(self, place: str, message: str, fix: str = "") -> Fault:
        """A fault of what stands at `place`."""
        mark = self.places.get(place, Mark(1, 1))
        return Fault(self.path, mark.line, mark.col, message, fix)


def load_request(file: PolicyFile) -> ReadRequest:
    """The request of a file as git has it. Never raises for its content."""
    unreadable = no_plain_file(file, "request")
    if unreadable is not None or file.text is None:
        return ReadRequest(file.path, None, (unreadable,) if unreadable else ())
    return read_request(file.text, file.path)


def is_request(text: bytes, path: str) -> bool:
    """True for a file that says itself that it is one."""
    if KIND.encode() not in text:
        return False  # most files of a repository are policies, and need not be read twice
    root, _ = read_written(text, path)
    return isinstance(root, Mapped) and View(root, root.mark).at("kind").text == KIND


def read_request(text: bytes, path: str) -> ReadRequest:
    """The request that `text` holds, or all faults in the order of the file. Never raises for it."""
    root, faults = one_mapping(text, path, "request")
    if root is None:
        return ReadRequest(path, None, in_order(faults))
    spec = View(root, root.mark).at("spec")
    shape, found = read_shape(root, path, RequestShape)
    faults += found
    faults += [Fault(path, mark.line, mark.col, message, fix) for mark, message, fix in _rules(spec)]
    faults += unmarked(text.decode("utf-8-sig"), path)
    ordered = in_order(one_a_place(faults))
    if shape is None or any(fault.is_error for fault in ordered):
        return ReadRequest(path, None, ordered, _places(spec))
    return ReadRequest(path, _request(shape, path), ordered, _places(spec))


def _rules(spec: View) -> Iterator[Found]:
    to = spec.at("to")
    said = [key for key in WAYS if to.has(key)]
    if isinstance(to.node, Mapped) and not to.keys:
        yield to.mark, "`to` says nothing", "write one of " + ", ".join(WAYS)
    for second in said[1:]:
        yield to.key_mark(second), f"{shown(second)} and {shown(said[0])} exclude each other", "keep one of them"
    if to.at("lastHealthy").flag is False:
        yield to.at("lastHealthy").mark, "`lastHealthy: false` goes nowhere", "write true, or another key of `to`"
    if spec.at("expires").duration == timedelta(0):
        yield spec.at("expires").mark, "`expires: 0` has expired already", "write it like 2h"
    seen: set[str] = set()
    for item in (*to.at("revert").items, *spec.at("acknowledge").items):
        if item.text and item.text in seen:
            yield item.mark, f"{shown(item.text)} stands twice in its list", "once is enough"
        seen.add(item.text or "")


def _places(spec: View) -> dict[str, Mark]:
    target = spec.at("target")
    places = {f"target.{key}": target.at(key).mark for key in ("policy", "name")}
    to = spec.at("to")
    said = next((key for key in WAYS if to.has(key)), "")
    return {
        **places,
        "to": to.at(said).mark if said else to.mark,
        **{key: spec.at(key).mark for key in ("acknowledge", "expires")},
    }


def _request(shape: RequestShape, path: str) -> RollbackRequest:
    spec = shape.spec
    return RollbackRequest(
        path=path,
        name=shape.metadata.name or posixpath.splitext(posixpath.basename(path))[0],
        target=RequestTarget(spec.target.name, spec.target.policy or ""),
        to=_to(spec.to),
        reason=spec.reason,
        incident=spec.incident or "",
        execute=Execute(spec.execute),
        acknowledge=tuple(spec.acknowledge),
        expires=DEFAULT_EXPIRES if spec.expires is None else spec.expires,
    )


def _to(shape: ToShape) -> To:
    if shape.commit:
        return ToCommit(shape.commit)
    if shape.revert:
        return Without(tuple(shape.revert))
    return Before(shape.before) if shape.before else LastHealthy()
