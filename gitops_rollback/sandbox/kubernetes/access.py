"""Who may do what? Bearer tokens and RBAC rules, refused in the real server's words.

Source: k8s.io/apiserver pkg/endpoints/handlers/responsewriters/errors.go (forbiddenMessage), Kubernetes
plugin/pkg/auth/authorizer/rbac; `system:public-info-viewer` for what everybody may see.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops_rollback.sandbox.kubernetes.answers import Refusal, failure
from gitops_rollback.sandbox.rendering import Json

ANONYMOUS = "system:anonymous"
PUBLIC = frozenset({"/healthz", "/livez", "/readyz", "/version"})


@dataclass(frozen=True)
class Rule:
    """One rule of a role; `namespaces` is where the role is bound, `*` by a cluster role binding."""

    groups: tuple[str, ...]
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    namespaces: tuple[str, ...] = ("*",)
    names: tuple[str, ...] = ()

    @classmethod
    def read(cls, rule: Json, namespaces: Sequence[str] = ("*",)) -> Rule:
        """A rule as it stands in a Role or ClusterRole."""
        names = tuple(rule.get("resourceNames", ()))
        return cls(tuple(rule["apiGroups"]), tuple(rule["resources"]), tuple(rule["verbs"]), tuple(namespaces), names)

    def allows(self, wish: Wish) -> bool:
        """Whether this rule is enough for it."""
        return (
            _has(self.verbs, wish.verb)
            and _has(self.groups, wish.group)
            and _has(self.resources, wish.resource)
            and _has(self.namespaces, wish.namespace)
            and (not self.names or wish.name in self.names)
        )


@dataclass(frozen=True)
class Wish:
    """What a request wants. `resource` is the plural with its subresource, as `kustomizations/status`."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""

    def words(self, user: str) -> str:
        """As the refusal names it."""
        plural, _, subresource = self.resource.partition("/")
        qualified = f"{plural}.{self.group}" if self.group else plural
        named = f' "{self.name}"' if self.name else ""
        where = f'in the namespace "{self.namespace}"' if self.namespace else "at the cluster scope"
        resource = f"{plural}/{subresource}" if subresource else plural
        return (
            f'{qualified}{named} is forbidden: User "{user}" cannot {self.verb} resource "{resource}" '
            f'in API group "{self.group}" {where}'
        )


EVERYTHING = (Rule(("*",), ("*",), ("*",)),)


class Access:
    """The tokens and their rights. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tokens: dict[str, str] = {}
        self._rules: dict[str, tuple[Rule, ...]] = {}

    def grant(self, token: str, user: str, rules: Iterable[Rule] = EVERYTHING) -> None:
        """Let a token stand for a user with these rights; a second token of one user is a rotation."""
        with self._lock:
            self._tokens[token] = user
            self._rules[user] = tuple(rules)

    def revoke(self, token: str) -> None:
        """Know a token no more."""
        with self._lock:
            self._tokens.pop(token, None)

    def user(self, authorization: str) -> str:
        """Whose request it is; nobody's where there is no token at all. Raises: Refusal 401."""
        if not authorization:
            return ANONYMOUS
        word, _, token = authorization.partition(" ")
        with self._lock:
            user = self._tokens.get(token.strip()) if word.lower() == "bearer" else None
        if user is None:
            raise Refusal(failure(401, "Unauthorized"))
        return user

    def allows(self, user: str, wish: Wish) -> bool:
        """Whether a user may do this."""
        with self._lock:
            rules = self._rules.get(user, ())
        return any(rule.allows(wish) for rule in rules)

    def require(self, user: str, wish: Wish) -> None:
        """Raises: Refusal 403 for what the user may not do."""
        if not self.allows(user, wish):
            details = {"group": wish.group, "kind": wish.resource.partition("/")[0]}
            about = {key: value for key, value in {"name": wish.name, **details}.items() if value}
            raise Refusal(failure(403, wish.words(user), details=about))

    def require_path(self, user: str, verb: str, path: str) -> None:
        """Raises: Refusal 403 for a path that is no resource, asked by nobody in particular."""
        if user == ANONYMOUS and path not in PUBLIC:
            message = f'forbidden: User "{user}" cannot {verb} path "{path}"'
            raise Refusal(failure(403, message, details={}))


def _has(allowed: Sequence[str], wanted: str) -> bool:
    return "*" in allowed or wanted in allowed
