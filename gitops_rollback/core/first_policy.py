"""The first policy of a repository, as text: every application that was found, triggers that only log, and why so.

It is written to be read and edited by people, so it is text with comments and not a document that is dumped. Words of
the repository stand in it quoted, and in comments without anything that would end one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.core.faults import visible
from gitops_rollback.core.first_strategies import strategies_text
from gitops_rollback.core.request import API_VERSION
from gitops_rollback.core.strategies.finding import Found as FoundField
from gitops_rollback.core.survey import Found, LeftOut
from gitops_rollback.core.written import SKIP_MARKER

SCHEMA_FILE = "rollbackpolicy-v1alpha1.schema.json"
MODELINE = f"# yaml-language-server: $schema=../schema/{SCHEMA_FILE}"
MOST_TARGETS = 60  # of one file, and as many notes: it must stay below what a policy may be long
LONGEST_NOTE = 200
_PLAIN = re.compile(r"[a-z][a-z0-9]*(?:[-.][a-z0-9]+)*", re.ASCII)
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})

HEAD = """\
# {marker}
{modeline}
#
# Made by `gitops-rollback init` from what stands in this repository; from here on it is yours to edit. It only watches:
# what a firing trigger of severity `log_only` leads to stands in the journal, nobody is told of it, and nothing is
# reverted. The way on, one trigger at a time and by pull request:
#     severity: log_only  ->  page_and_suggest  ->  auto_rollback
# After an edit: `gitops-rollback lint .`
"""

TRIGGERS = """\
  triggers:
    # The engine's own word, and what the new Pods show: neither needs any metrics.
    - name: engine-degraded
      type: health
      states: [Degraded]
      for: 3m
      severity: log_only
    - name: pods-do-not-come-up
      type: crashLoop
      severity: log_only
    # What users see is a better sign. With PROMETHEUS_URL set, put your own metric's name here; $SERVICE is the
    # target's name, $NAMESPACE that of its workload:
    # - name: high-error-rate
    #   bad: 'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[2m]))'
    #   total: 'sum(rate(http_requests_total{service="$SERVICE"}[2m]))'
    #   threshold: 0.05
    #   for: 2m
    #   severity: log_only
"""


@dataclass(frozen=True)
class NamedTarget:
    """An application with the name that its target has."""

    name: str
    found: Found


def named(found: Iterable[Found], taken: Collection[str]) -> tuple[NamedTarget, ...]:
    """A name for each that no other target has: its workload's, which metrics know best, else the engine's."""
    used = set(taken)
    targets = []
    for one in found:
        words = [one.workload.name] if one.workload else []
        words += [one.name, f"{one.namespace}-{one.name}" if one.namespace else one.name]
        numbered = (f"{one.name}-{number}" for number in range(2, len(used) + 3))
        name = next(word for word in (*words, *numbered) if word not in used)
        used.add(name)
        targets.append(NamedTarget(name, one))
    return tuple(targets)


def policy_text(
    name: str, targets: Sequence[NamedTarget], left_out: Sequence[LeftOut], fields: Sequence[FoundField] = ()
) -> str:
    """A whole policy file. At most `MOST_TARGETS` targets. `fields` are those that strategies could set."""
    head = HEAD.format(marker=SKIP_MARKER, modeline=MODELINE)
    lines = [f"apiVersion: {API_VERSION}", "kind: RollbackPolicy", f"metadata: {{name: {_scalar(name)}}}", "spec:"]
    lines.append("  targets:")
    for target in targets:
        lines += _target(target)
    lines += [f"    # Left out: {_comment(f'{one.label}: {one.why}')}" for one in left_out[:MOST_TARGETS]]
    if len(left_out) > MOST_TARGETS:
        lines.append(f"    # And {len(left_out) - MOST_TARGETS} more were left out.")
    return head + "\n".join(lines) + "\n" + TRIGGERS + strategies_text(fields)


def _target(target: NamedTarget) -> Iterator[str]:
    found = target.found
    where = ", ".join(folder or "the root" for folder in found.folders)
    stands = f"; its own object: {found.manifest}" if found.manifest else ""
    rendered = f"{found.renderer}: {where}" if where else found.renderer
    yield f"    # {_comment(rendered + stands)}"
    if found.guessed:
        yield "    # Nothing in git says how the engine calls it: put the real name and namespace here."
    yield f"    - name: {_scalar(target.name)}"
    yield f"      engine: {found.engine}"
    kind = f"kind: {found.kind}, " if found.engine == "flux" else ""
    namespace = f"namespace: {_scalar(found.namespace)}, " if found.namespace else ""
    yield f"      application: {{{kind}{namespace}name: {_scalar(found.name)}}}"
    if found.workload is not None:
        run = found.workload
        named = f"kind: {run.kind}, namespace: {_scalar(run.namespace)}, name: {_scalar(run.name)}"
        yield f"      workload: {{{named}}}"
    if found.keeps:
        yield f"      data: {{rollback: ask, because: {json.dumps(visible(found.keeps), ensure_ascii=False)}}}"
    else:
        yield "      # data: {rollback: safe}      # once each release reads what the next one wrote; else `ask`"


def _scalar(text: str) -> str:
    """Plain where every reader takes it for a text, else quoted."""
    plain = _PLAIN.fullmatch(text) and text not in _WORDS
    return text if plain else json.dumps(visible(text), ensure_ascii=False)


def _comment(text: str) -> str:
    """Nothing that ends the line, and so the comment."""
    return visible(text[:LONGEST_NOTE])
