"""Which promises does a world on the wire break? Looks at the remote after each tick, and at everything at the end.

What the history alone shows is `history`'s; here is what needs the world: its clock, its cluster, its people.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta

from gitops_rollback.sandbox.simulation.wire.gitlog import NOTHING, GitLog, Made, run_git
from gitops_rollback.sandbox.simulation.wire.history import Known, check_history
from gitops_rollback.sandbox.simulation.wire.landing import text_of
from gitops_rollback.sandbox.simulation.wire.records import Recorded
from gitops_rollback.sandbox.simulation.wire.truth import Ran
from gitops_rollback.sandbox.simulation.wire.world import JOURNAL, MAIN, REPOSITORY, SECRETS, World
from gitops_rollback.sandbox.simulation.world import Violation

OURS = "gitops-rollback"
HOLD = timedelta(seconds=15)  # the policies hold for 30, and what is looked at may be a tick old
TICK, BEFORE = timedelta(seconds=15), timedelta(seconds=330)
LOOK, WELL, LONGEST_RUN = timedelta(seconds=5), timedelta(minutes=1), timedelta(hours=2)
WAITING = ("AwaitingApproval", "Done")
BROKEN = ("a tick failed", "an action failed", "a look failed")


class Judge:
    """Keeps what it has seen of the two branches; `began`: of the tick that has just ended."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._read = {MAIN: 0, JOURNAL: 0}
        self.violations: list[Violation] = []
        self.records: dict[str, Recorded] = {}
        self.rollbacks: list[Made] = []
        self._landed_at: dict[str, datetime] = {}  # our commits, and when each was there at the earliest
        self._began = world.now
        world.look = self.look

    def ticked(self, began: datetime) -> None:
        """A tick has ended."""
        self._began = began
        self.look(late=False)

    def look(self, late: bool) -> None:
        """Judge what is new on the remote."""
        for _, new in self._news(MAIN):
            self._landed(new, late)
        for old, new in self._news(JOURNAL):
            self._world.stirred = self._world.now
            self._written(old, new)

    def at_end(self, log: str) -> None:
        """Everything that can be judged only when nothing is under way any more."""
        for name in self._untold():
            self._broken("(16) when faults stop each application is well, or a person knows", name)
        for text in check_history(self._world.bare, self._known(log)):
            self._broken("history", text)
        for text in self._stumbles(log):
            self._broken("(17) nothing that comes in makes it stumble", text)
        for asked in self._world.lure.asked:
            self._broken(
                "(18) outbound only to configured origins", f"a server that no setting names was asked {asked.path}"
            )
        for error in self._world.argocd.failures:
            self._broken("the sandbox itself", repr(error))

    def at_rest(self) -> bool:
        """Nothing is left to be done by anybody but a person."""
        return not any(self._untold()) and all(record.phase in WAITING for record in self.records.values())

    def _broken(self, promise: str, text: str) -> None:
        self.violations.append(Violation(self._world.now, promise, text))
        self._world.tell("PROMISE", f"{promise}: {text}")

    # At each step

    def _news(self, branch: str) -> list[tuple[str, str]]:
        log = self._world.bare / "logs" / "refs" / "heads" / branch
        lines = log.read_text("utf-8", "replace").splitlines() if log.exists() else []
        news, self._read[branch] = lines[self._read[branch] :], len(lines)
        return [(line[:40], line[41:81]) for line in news]

    def _landed(self, sha: str, late: bool) -> None:
        """A new head of the branch: ours, or a person's."""
        shown = run_git(self._world.bare, "log", "-1", "--format=%ce%x00%B", sha).decode("utf-8", "replace")
        committer, _, message = shown.partition("\0")
        if OURS not in committer:
            return
        made = Made(sha, (), committer, 0, message, ())
        self.rollbacks.append(made)
        self._landed_at[sha] = self._began if not late else self._world.now
        names = ", ".join(made.trailers.get("Rollback-Application", ()))
        reverts = ", ".join(one[:8] for one in made.trailers.get("Rollback-Reverts", ()))
        self._world.tell("controller", f"ROLLS BACK {names}: {sha[:8]} reverts {reverts}")
        closed = [door for door, since in self._world.doors.closed.items() if since < self._began]
        if closed and not late:
            self._broken("(13) stop within one tick", f"{sha[:8]} was pushed though the door {closed[0]} was closed")

    def _written(self, old: str, new: str) -> None:
        before = old if not NOTHING.fullmatch(old) else "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        changed = run_git(self._world.bare, "diff-tree", "-r", "--no-renames", before, new).decode().splitlines()
        for line in changed:
            path = line.partition("\t")[2]
            text = text_of(self._world.bare, new, path) or b""
            if path.startswith("records/"):
                self._recorded(Recorded(json.loads(text)))
            elif path.startswith("decisions/"):
                was = text_of(self._world.bare, before, path) or b""
                for entry in map(json.loads, text[len(was) :].splitlines()):
                    words = f"{entry['application']}: {entry['action']} {entry['reason']}"
                    self._world.tell("journal", f"{words}: {entry['message'][:200]}")

    def _recorded(self, record: Recorded) -> None:
        before, self.records[record.id] = self.records.get(record.id), record
        self._world.tell("journal", f"{record.id} {record.phase} {record.outcome} {record.message[:200]}")
        if record.outcome == "verified" and (before is None or before.outcome != "verified"):
            for text in self._not_verified(record):
                self._broken("(14) verified means applied, healthy and quiet", text)

    def _not_verified(self, record: Recorded) -> Iterator[str]:
        log = GitLog(self._world.bare)
        by_metrics = "errors" in record.document.get("triggers", ())
        for sha in record.commits & log.commits.keys():
            paths = {change.path for change in log.commits[sha].changes}
            for name in self._world.setup.names:
                touched = any(path.startswith(f"apps/{name}/") for path in paths)
                if (
                    touched
                    and not self._was_bad_before(name, record)
                    and not any(self._holds(name, one, end, sha, log, by_metrics) for one, end in self._spans(name))
                ):
                    yield f"{record.id} is verified, but {name} never ran {sha[:8]} and was well for {HOLD}"

    def _was_bad_before(self, name: str, record: Recorded) -> bool:
        """Nobody can ask of a rollback that it mends what it was not made for and what was bad before the bad sync."""
        named = any(each.endswith(f"/{name}") for each in record.applications)
        said = record.document["times"].get("deployed")
        if named or said is None:
            return False
        deployed = datetime.fromisoformat(said)
        return any(
            self._world.truth.red_since(name, deployed - n * TICK) is not None for n in range(BEFORE // TICK + 1)
        )

    def _spans(self, name: str) -> Iterator[tuple[Ran, datetime]]:
        for ran, end in self._world.truth.spans(name):
            yield ran, end or self._world.now

    def _holds(self, name: str, ran: Ran, end: datetime, sha: str, log: GitLog, by_metrics: bool) -> bool:
        """The application ran what contains our commit, or says the same, and was well at the end of long enough.

        Well is what had fired and is quiet again: a health trigger says nothing of the errors of the next release.
        """
        path = f"apps/{name}/deployment.yaml"
        if sha not in log.reachable(ran.revision) and log.file(ran.revision, path) != log.file(sha, path):
            return False
        since = max(ran.at, self._landed_at.get(sha, self._world.now))
        red = self._world.truth.red_since(name, end - timedelta(microseconds=1)) is not None
        well = not red if by_metrics else not any("crash" in tag for tag in ran.tags)
        return end - since >= HOLD and well

    # At the end

    def _untold(self) -> Iterator[str]:
        world = self._world
        for name in world.setup.names:
            since = world.red_since(name)
            if since is not None and not self._told(name, since):
                yield f"{name} has been failing since {since:%H:%M:%S}, and nobody was told"

    def _told(self, name: str, since: datetime) -> bool:
        """A person has heard of it since it was deployed, by the application's name, or by a notice about all."""
        began = self._began_to_fail(name, since)
        deployed = max((one.at for one in self._world.truth.ran.get(name, ()) if one.at <= began), default=began)
        mass = False  # one notice speaks for all that are red while it holds
        for one in self._world.said:
            message, record = one.message, self.records.get(one.message.rollback_id)
            names = (message.application, *(record.applications if record else ()))
            about = any(each == name or each.endswith(f"/{name}") for each in names)
            mass = mass or (message.application.startswith(REPOSITORY) and "red at once" in message.title)
            if one.at >= deployed and (about or mass):
                return True
            mass = mass and not (message.application.startswith(REPOSITORY) and "is over" in message.title)
        return mass

    def _began_to_fail(self, name: str, since: datetime) -> datetime:
        """The end of when it was last well for a while: bad releases in a row are one trouble, told once."""
        began, at = since, since
        while since - began < LONGEST_RUN and began - at < WELL:
            at -= LOOK
            began = self._world.truth.red_since(name, at) or began
            at = min(at, began)
        return began

    def _known(self, log: str) -> Known:
        texts = {"the log": log}
        for number, one in enumerate(self._world.said):
            texts[f"message {number}"] = f"{one.message.title}\n{one.message.text}\n{one.message.details}"
        return Known(bad=self._world.truth.culprits.keys(), secrets=SECRETS, texts=texts)

    def _stumbles(self, log: str) -> Iterator[str]:
        for line in log.splitlines():
            if any(f'"msg": "{words}"' in line for words in BROKEN) and '"exception"' in line:
                yield line[-1500:]
