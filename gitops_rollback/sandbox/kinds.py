"""Which engines and forges the sandbox has."""

from __future__ import annotations

ENGINES = ("argocd", "flux")
FORGES = ("gitea", "github", "gitlab")
