"""`python -m gitops_rollback` is the same as the command `gitops-rollback`."""

from __future__ import annotations

from gitops_rollback.cli.main import main

if __name__ == "__main__":
    main()
