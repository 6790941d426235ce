"""How is a commit of ours made, so that the same arguments give the same sha?

Source: git-commit-tree(1), git(1) (`GIT_AUTHOR_DATE`), git-config(1) `gpg.format=ssh`. With an ed25519 key a signature
repeats too; with an ECDSA key it does not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_rollback.adapters.git.door import LOSSLESS, Git, GitFailed
from gitops_rollback.adapters.git.objects import ObjectReader, put_files, tree_of
from gitops_rollback.adapters.git.remote import identity
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import CredentialsRejected, ObjectMissing

SIGNING_TROUBLE = ("failed to sign", "ssh-keygen", "signingkey", "Couldn't load public key", "No private key found")


@dataclass(frozen=True)
class CommitWriter:
    """Writes commit objects into `git`'s store; no ref moves. `author` is `Name <mail>`, author and committer alike."""

    git: Git
    reader: ObjectReader
    author: str
    signing_key: Path | None = None

    def commit(self, tree: str, parents: tuple[str, ...], message: str, date: datetime) -> str:
        """The sha of a commit dated `date` (to the second). Raises: CredentialsRejected if it cannot be signed."""
        for sha in (tree, *parents):
            if not is_sha(sha):
                raise ObjectMissing(sha[:80], "is not a full object id")
        name, mail = identity(self.author)
        stamp = f"{int(date.astimezone(UTC).timestamp())} +0000"
        people = _person("AUTHOR", name, mail, stamp) | _person("COMMITTER", name, mail, stamp)
        git = self.git.also(self._signing(), people)
        options = ["-S"] if self.signing_key else []
        for parent in parents:
            options += ["-p", parent]
        try:
            return git.text("commit-tree", *options, "-F", "-", tree, stdin=_ended(message).encode(*LOSSLESS))
        except GitFailed as exc:
            if any(words in exc.stderr for words in SIGNING_TROUBLE):
                raise CredentialsRejected("signing key", f"the commit cannot be signed: {exc.message}") from exc
            raise

    def commit_files(self, parent: str | None, files: Mapping[str, bytes | None], message: str, date: datetime) -> str:
        """A commit on `parent` (None: an orphan) with `files` put (None: removed). Raises: ObjectMissing."""
        tree = put_files(self.git, self.reader, tree_of(self.reader, parent) if parent else None, files)
        return self.commit(tree, (parent,) if parent else (), message, date)

    def _signing(self) -> tuple[str, ...]:
        return ("gpg.format=ssh", f"user.signingkey={self.signing_key}") if self.signing_key else ()


def _person(role: str, name: str, mail: str, stamp: str) -> dict[str, str]:
    return {f"GIT_{role}_NAME": name, f"GIT_{role}_EMAIL": mail, f"GIT_{role}_DATE": stamp}


def _ended(message: str) -> str:
    """A message ends with exactly one newline, as git writes it."""
    return message.rstrip("\n") + "\n"
