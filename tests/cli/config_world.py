"""A config repository as verbs meet it: a policy on the branch, a journal, a pause; and how a verb is run."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.adapters.journal import GitJournal
from gitops_rollback.cli.main import outcome_of
from gitops_rollback.core.journal import DecisionEntry
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.git_server import GitServer

APP = "default/Application/argocd/payments-prod"
BAD, GOOD, OURS = "b" * 40, "a" * 40, "c" * 40
ID = "rb-428a78d56affadb9"
CONTROL = "refs/heads/gitops-rollback-control"
JOURNAL = "refs/heads/gitops-rollback-journal"
TOKEN = "canary-token-7f3a9e"

POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: payments-prod}
spec:
  targets:
    - name: checkout-api
      engine: argocd
      application: {namespace: argocd, name: payments-prod}
      data: {rollback: safe}
  triggers:
    - name: high-error-rate
      query: 'sum(rate(errors_total{service="$SERVICE"}[2m]))'
      comparison: greater_than
      threshold: 0.05
      for: 2m
      severity: auto_rollback
"""


@dataclass(frozen=True)
class Answer:
    """What a command line printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> object:
        return json.loads(self.out)


def run_cli(*arguments: str) -> Answer:
    """Run one command line in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = outcome_of(list(arguments))
    return Answer(code, out.getvalue(), err.getvalue())


def git(*arguments: str, cwd: Path, content: bytes = b"") -> str:
    done = subprocess.run(["git", *arguments], cwd=cwd, input=content, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


@dataclass
class World:
    """The repository `acme/config` on the server."""

    server: GitServer
    state: Path

    @property
    def path(self) -> Path:
        return self.server.root / "config.git"

    @property
    def url(self) -> str:
        return f"{self.server.url}/config.git"

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "GITOPS_ROLLBACK_REPO": self.url,
            "GITOPS_ROLLBACK_STATE_DIR": str(self.state),
            "GITOPS_ROLLBACK_GIT_TOKEN": TOKEN,
        }

    def create(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        git("init", "-q", "--bare", "-b", "main", str(self.path), cwd=self.path.parent)
        self.commit({".gitops-rollback/policies/payments-prod.yaml": POLICY.encode(), "README.md": b"hello\n"})

    def commit(self, files: Mapping[str, bytes], branch: str = "main", message: str = "Change") -> None:
        """A person's commit, straight into the repository."""
        ref = f"refs/heads/{branch}"
        known = git("for-each-ref", "--format=%(objectname)", ref, cwd=self.path)
        who = f"A Person <person@example.com> {int(datetime.now(UTC).timestamp())} +0000"
        lines = [f"commit {ref}\nauthor {who}\ncommitter {who}\ndata {len(message)}\n{message}\n".encode()]
        lines += [f"from {known}\n".encode()] if known else []
        for path, content in files.items():
            lines.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(content), content))
        git("fast-import", "--quiet", "--force", cwd=self.path, content=b"".join(lines))

    def journal(self, *said: RollbackRecord | DecisionEntry) -> None:
        """Write to the journal as the controller does."""
        repo = GitConfigRepo(RepositorySettings("config", self.url, self.state.with_name("controller")))
        head = repo.fetch().journal
        records = [one for one in said if isinstance(one, RollbackRecord)]
        entries = [one for one in said if isinstance(one, DecisionEntry)]
        new = GitJournal(repo).commit(head, records, entries, now())
        assert repo.push([RefUpdate(JOURNAL, new, head)]).outcome is PushOutcome.LANDED
        repo.close()

    def show(self, ref: str, path: str) -> str:
        return git("show", f"{ref}:{path}", cwd=self.path)


START = datetime.now(UTC).replace(microsecond=0)


def now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def a_record(
    name: str = ID, phase: Phase = Phase.DONE, ago: timedelta = timedelta(hours=1), **changes: object
) -> RollbackRecord:
    """A verified rollback, decided `ago`."""
    at = START - ago
    record = RollbackRecord(
        id=name,
        applications=(APP,),
        engine="argocd",
        repository="config",
        bad_revision=BAD,
        restores=GOOD,
        policy="policies/payments-prod.yaml@aaaaaaaaaaaa",
        triggers=("high-error-rate",),
        reverts=(BAD,),
        phase=phase,
        outcome=RollbackOutcome.VERIFIED if phase is Phase.DONE else None,
        steps=(StepRecord(1, 1, OURS, {}, at),),
        reason="Verified",
        message="7.9 % of requests failed",
        guards=(
            {"guard": "budget", "result": "allow", "message": "0 of 2 used"},
            {"guard": "schedule", "result": "ask", "reason": "Schedule", "message": "friday", "remedy": "ask Kim"},
        ),
        times={
            "deployed": at - timedelta(minutes=4),
            "fired": at,
            "decided": at,
            "verified": at + timedelta(minutes=3),
        },
        evidence={"verdicts": [{"trigger": "high-error-rate", "value": 0.079, "query": "sum(...)", "since": None}]},
    )
    return dataclasses.replace(record, **changes)


def an_entry(action: str = "roll-back", reason: str = "TriggerFired", **changes: object) -> DecisionEntry:
    entry = DecisionEntry(
        now() - timedelta(hours=1),
        APP,
        action,
        reason,
        BAD,
        "high-error-rate fired",
        {"rollback": ID, "onset": "03:11"},
    )
    return dataclasses.replace(entry, **changes)
