"""Tells what happens, line by line, from what was really evaluated: engine, journal, git, the controller's log."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from gitops_rollback.core.drill import SUBJECT as DRILL
from gitops_rollback.sandbox.flux_side import Seen
from gitops_rollback.sandbox.forge_narrator import ForgeNarrator
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.telling import Telling

Say = Callable[[str], None]
SHOWN = 150
MARKS = {"allow": "✔", "not evaluated": "not evaluated", "ask": "asks", "deny": "✖"}
PEOPLE_ARE_TOLD = ("page", "ask", "hold", "refuse")
THE_BRANCH = "the branch refuses"  # how the words about it begin, after the reason to act
REFUSED = "BranchProtected"  # a rule stands against the push, and the plan goes on as a pull request


class Narrator:
    """Each `look` says what is new since the last one."""

    def __init__(self, telling: Telling, logs: Sequence[Path], say: Say) -> None:
        self._telling = telling
        self._say = say
        self._read = dict.fromkeys(logs, 0)  # bytes of each log that were told
        self._engine: tuple[str, ...] = ()
        self._phases: dict[str, str] = {}
        self._steps: dict[str, int] = {}  # commits of each rollback that were told
        self._decisions = 0
        self._triggers: dict[str, str] = {}
        self._refused = ""
        world = telling.world
        self._forge = ForgeNarrator(world.forge, world.people, self.line) if world.forge is not None else None

    def look(self) -> None:
        """Say what is new."""
        self._tell_engine()
        self._tell_log()
        self._tell_journal()
        if self._forge is not None:
            self._forge.look()

    def line(self, kind: str, text: str) -> None:
        """One line with the world's time."""
        now: datetime = self._telling.world.clock.now()
        self._say(f" {now:%H:%M:%S} {kind:<9} {' '.join(text.split())[:SHOWN]}")

    def _tell_engine(self) -> None:
        if self._telling.world.flux is not None:
            self._tell_flux(self._telling.world.flux.seen(self._telling.application))
        else:
            self._tell_argocd()

    def _tell_flux(self, seen: Seen) -> None:
        shown = (seen.attempted[:7], seen.applied[:7], seen.ready, seen.reason)
        if shown == self._engine or not seen.attempted:
            return
        self._engine = shown
        subject = self._telling.world.people.git("log", "-1", "--format=%s", seen.attempted, check=False)
        behind = f"  (applied: {shown[1]})" if shown[1] != shown[0] else ""
        words = f"Ready={seen.ready} {seen.reason}{behind}"
        self.line("sync", f'{self._telling.application}  {shown[0]} "{subject}"  {words}')

    def _tell_argocd(self) -> None:
        status = self._telling.live().get("status") or {}
        operation = (status.get("operationState") or {}).get("phase", "") if "operation" in self._telling.live() else ""
        sync, health = status.get("sync") or {}, status.get("health") or {}
        revision = self._telling.live_revision()[:7]
        seen = (revision, str(sync.get("status", "")), str(health.get("status", "")), str(operation))
        if seen == self._engine or not revision:
            return
        self._engine = seen
        subject = self._telling.world.people.git("log", "-1", "--format=%s", revision, check=False)
        running = f"  operation {operation}" if operation else ""
        self.line("sync", f'{self._telling.application}  {revision} "{subject}"  {seen[1]} {seen[2]}{running}')

    def _tell_log(self) -> None:
        for log in self._read:
            with log.open("rb") as lines:
                lines.seek(self._read[log])
                for line in lines:
                    if not line.endswith(b"\n"):
                        break
                    self._read[log] += len(line)
                    self._tell_entry(line)

    def _tell_entry(self, line: bytes) -> None:
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict) and entry.get("msg") == "trigger":
            self._tell_trigger(entry)
        if isinstance(entry, dict) and entry.get("msg") == "who leads" and entry.get("leads"):
            self.line("leads", str(entry.get("message", "")))

    def _tell_trigger(self, entry: Mapping[str, str]) -> None:
        name, phase = entry.get("trigger", ""), entry.get("phase", "")
        before = self._triggers.get(name, "inactive")
        self._triggers[name] = phase
        if phase != before:
            self.line("FIRING" if phase == "firing" else phase, str(entry.get("message", "")))

    def _tell_journal(self) -> None:
        decisions = self._telling.decisions()
        for entry in decisions[self._decisions :]:
            if entry["reason"] == REFUSED and entry["action"] not in PEOPLE_ARE_TOLD:
                self._tell_refusal(str(entry["message"]))
            if entry["application"].startswith(DRILL):
                self.line("DRILL", f"{entry['revision']} {str(entry['message']).removeprefix('DRILL: ')}")
            if entry["action"] in PEOPLE_ARE_TOLD:
                self._tell_suspects(entry["details"].get("suspects") or [])
                self._tell_guards(entry["details"].get("guards") or [])
                self.line(entry["action"], f"{entry['reason']}: {entry['message']}  (a person is told)")
        self._decisions = len(decisions)
        for record in self._telling.records():
            if self._phases.get(record["id"]) != record["phase"]:
                self._tell_phase(record, self._phases.get(record["id"], ""))
                self._phases[record["id"]] = record["phase"]
            self._tell_later_steps(record)

    def _tell_refusal(self, message: str) -> None:
        """Once: the record that waits as a pull request keeps it, and it is decided with it again."""
        if message != self._refused:
            self._refused = message
            self.line("refused", message[max(message.find(THE_BRANCH), 0) :])

    def _tell_phase(self, record: Json, before: str) -> None:
        if record["phase"] != "AwaitingApproval" and before in ("", "AwaitingApproval") and record["steps"]:
            self._tell_suspects(record["evidence"].get("suspects") or [])
            self._tell_guards(record["guards"])
            self._tell_commit(record, record["steps"][0])
        if record["phase"] == "Verifying":
            self.line("synced", str(record["message"]))
        if record["phase"] == "Done":
            self.line(str(record["outcome"]), f"{record['reason']}: {record['message']}")

    def _tell_suspects(self, suspects: list[str]) -> None:
        for suspect in suspects:
            self.line("suspect", suspect.partition("; ")[0])  # what it changes; when it was deployed is told above

    def _tell_guards(self, guards: list[Mapping[str, str]]) -> None:
        words = [f"{guard['guard']} {MARKS.get(guard['result'], guard['result'])}" for guard in guards]
        for start in range(0, len(words), 6):
            self.line("guards", "  ".join(words[start : start + 6]))

    def _tell_later_steps(self, record: Json) -> None:
        told = self._steps.get(record["id"], 1)
        for step in record["steps"][told:]:
            self._tell_commit(record, step)
        self._steps[record["id"]] = max(told, len(record["steps"]))

    def _tell_commit(self, record: Json, step: Json) -> None:
        commit = step["commit"]
        git = self._telling.world.people.git
        changed = git("diff", "--shortstat", f"{commit}~1", commit, check=False)
        came = "merged" if "pullRequest" in record["evidence"] else "pushed"
        self.line("commit", f"{commit[:7]} {git('log', '-1', '--format=%s', commit, check=False)}   {changed}   {came}")
