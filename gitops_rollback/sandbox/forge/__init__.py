"""A forge on loopback: one state machine, three dialects. Start reading at `sandbox`."""

from gitops_rollback.sandbox.forge.sandbox import BOT, ForgeSandbox, token_of
from gitops_rollback.sandbox.forge.state import Access, Kind, Method, PullRequest, Rules

__all__ = ["BOT", "Access", "ForgeSandbox", "Kind", "Method", "PullRequest", "Rules", "token_of"]
