"""What can the Kubernetes API say no to, and what does waiting help against?

Source: contracts/flux-kubernetes.md, section 13; apimachinery pkg/apis/meta/v1 `StatusReason`.
"""

from __future__ import annotations

from gitops_rollback.core.errors import EngineUnavailable, Reason, StalledError, TransientError


class ApiUnavailable(EngineUnavailable):
    """The API did not answer, or asks to be left alone. `retry_after`: for how many seconds; 0 if it does not say."""

    retry_after = 0.0


class Expired(TransientError):
    """410: the API no longer knows what we refer to; list again."""

    reason = Reason.ENGINE_UNAVAILABLE


class Conflict(TransientError):
    """409: somebody else was faster; read again."""

    reason = Reason.ENGINE_UNAVAILABLE


class Unserved(StalledError):
    """The API serves no such resource: what brings it (Flux, Argo Rollouts, a version of theirs) is not installed."""

    reason = Reason.ENGINE_UNCLEAR


class Missing(StalledError):
    """404: the object, or the namespace that it should be in, does not exist."""

    reason = Reason.ENGINE_UNCLEAR


class Refused(StalledError):
    """400, 405, 415, 422: the API calls the request wrong; asking again gives the same answer."""

    reason = Reason.REQUEST_INVALID
