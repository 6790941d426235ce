"""The log line of a decision that no message tells."""

from __future__ import annotations

import structlog

from gitops_rollback.app.subject import Look
from gitops_rollback.core.decision import Decision

log = structlog.get_logger()


def report_decision(decision: Decision, look: Look) -> None:
    """Log what became of an alarm where nobody is told: the look itself has said only that there was one."""
    if look.raised.raises_alarm:
        log.info(
            "decided", application=look.name, action=decision.act.value, reason=decision.reason.value,
            revision=look.bad_revision[:12], message=decision.message,
        )  # fmt: skip
