"""Is a commit signed by one of the keys that somebody names? git asks ssh-keygen; no key of ours is needed.

Source: git-verify-commit(1); ssh-keygen(1), ALLOWED SIGNERS.
"""

from __future__ import annotations

from pathlib import Path

from gitops_rollback.adapters.git.door import Git


def signature_fault(git: Git, sha: str, allowed: Path) -> str:
    """Why the signature of `sha` is none by a signer of the file `allowed`, in a few words; "" if it is good.

    Raises: RepositoryUnavailable where git cannot tell.
    """
    asking = git.also(("gpg.format=ssh", f"gpg.ssh.allowedSignersFile={allowed.absolute()}"))
    answer = asking.run("verify-commit", sha, ok=(0, 1))
    if answer.code == 0:
        return ""
    said = [line for line in answer.stderr.splitlines() if line.strip()]
    return said[-1][:200] if said else "it is not signed"
