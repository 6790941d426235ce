"""What the environment and the flags say, as parts of the settings' tree: one table, both spellings.

Each `GITOPS_ROLLBACK_X_Y` is the flag `--x-y`; the flag wins. A few names of the field are known without the prefix.
Source: interfaces.md, Environment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from gitops_rollback.app.origins import origin_of
from gitops_rollback.app.settings_forges import known_by_host, token_variable, variable_of

PREFIX = "GITOPS_ROLLBACK_"

Tree = dict[str, object]
Place = tuple[str | int, ...]
Given = tuple[object, str]  # a value and the variable or flag that gave it

# Variable (without the prefix) -> key of the settings.
_PLAIN: Mapping[str, str] = {
    "ALLOW_ORIGINS": "allowOrigins",
    "REVERSIBLE_KINDS": "reversibleKinds",
    "ALLOW_HTTP": "allowHttp",
    "ALLOW_FILE": "allowFileUrls",
    "STATE_DIR": "stateDir",
    "BIND": "bind",
    "HOOKS_BIND": "hooksBind",
    "OBSERVE": "observe",
    "SHADOW": "shadow",
    "OBSERVE_OUT": "observeOut",
}
_GIT: Mapping[str, str] = {
    "GIT_USERNAME": "username",
    "GIT_TOKEN": "token",
    "GIT_TOKEN_FILE": "tokenFile",
    "SSH_KEY_FILE": "sshKeyFile",
    "SSH_KNOWN_HOSTS_FILE": "sshKnownHostsFile",
    "GIT_CA_FILE": "caFile",
}
_ARGOCD: Mapping[str, str] = {
    "ARGOCD_SERVER": "server",
    "ARGOCD_AUTH_TOKEN": "token",
    "ARGOCD_AUTH_TOKEN_FILE": "tokenFile",
    "ARGOCD_CA_FILE": "caFile",
}
_METRICS = ("PROMETHEUS_URL", "ALERTMANAGER_URL")
_KUBERNETES: Mapping[str, str] = {
    "KUBECONFIG": "kubeconfig",  # as a flag or with our prefix; kubectl's own variable is the client's to read
    "CONTEXT": "context",
    "NAMESPACE": "namespaces",
    "OWN_NAMESPACE": "ownNamespace",
    "REQUEST_TIMEOUT": "requestTimeout",
    "EVENTS": "events",
}
_ELECTION: Mapping[str, str] = {
    "LEADER_ELECT": "enabled",
    "LEADER_ELECT_LEASE_DURATION": "leaseDuration",
    "LEADER_ELECT_RENEW_DEADLINE": "renewDeadline",
    "LEADER_ELECT_RETRY_PERIOD": "retryPeriod",
}
_DASHBOARD: Mapping[str, str] = {
    "DASHBOARD_BIND": "bind",
    "DASHBOARD_HOSTS": "hosts",
    "DASHBOARD_ADDRESS": "address",
}
_BUDGETS = ("APPLICATION", "REPOSITORY", "CONTROLLER")
_SECRET = re.compile(r"SECRET_(?P<name>[A-Z0-9_]+?)(?P<part>_FILE|_ORIGINS)?")
_PARTS = {None: "value", "_FILE": "valueFile", "_ORIGINS": "origins"}


def _variables() -> dict[str, str]:
    """Each variable, and the key of the settings that it sets; for people who look one up."""
    nested = {**_PLAIN} | {name: f"repositories[].git.{key}" for name, key in _GIT.items()}
    nested |= {name: f"kubernetes.{key}" for name, key in _KUBERNETES.items()}
    nested |= {name: f"leaderElection.{key}" for name, key in _ELECTION.items()}
    nested |= {name: f"dashboard.{key}" for name, key in _DASHBOARD.items()}
    nested |= {f"BUDGET_{name}": f"budgets.{name.lower()}" for name in _BUDGETS}
    nested |= {"FLUX": "flux.enabled", "ARGOCD_OBJECTS": "argocdObjects.enabled", "PAUSE": "paused"}
    nested |= {"REPO": "repositories[].url", "REPO_ALIAS": "repositories[].aliases", "BRANCH": "repositories[].branch"}
    nested |= {"SIGNING_KEY_FILE": "repositories[].signingKeyFile", "CONFIG": "(the settings file itself)"}
    nested |= {f"SECRET_NAME{part or ''}": f"secrets[].{key}" for part, key in _PARTS.items()}
    found = {f"{PREFIX}{name}": key for name, key in nested.items()}
    found |= {name: f"argocd[].{key}" for name, key in _ARGOCD.items()}
    return found | {"PROMETHEUS_URL": "metrics[].url", "ALERTMANAGER_URL": "alertmanagers[].urls"}


VARIABLES: Mapping[str, str] = _variables()


@dataclass
class Overlay:
    """`values` replace keys of the tree; the rest is laid into lists by `merge_lists`. `config` "" is the default."""

    config: str = ""
    values: dict[str, Given] = field(default_factory=dict)
    repositories: tuple[tuple[str, ...], str] = ((), "")
    repository: dict[str, Given] = field(default_factory=dict)  # branch, aliases, signingKeyFile of each of them
    git: dict[str, Given] = field(default_factory=dict)
    argocd: dict[str, Given] = field(default_factory=dict)
    argocd_objects: dict[str, Given] = field(default_factory=dict)
    flux: dict[str, Given] = field(default_factory=dict)
    kubernetes: dict[str, Given] = field(default_factory=dict)
    election: dict[str, Given] = field(default_factory=dict)
    dashboard: dict[str, Given] = field(default_factory=dict)
    metrics: dict[str, Given] = field(default_factory=dict)
    alertmanagers: dict[str, Given] = field(default_factory=dict)
    budgets: dict[str, Given] = field(default_factory=dict)
    secrets: dict[str, dict[str, Given]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def merge_lists(
        self, tree: Tree, places: dict[tuple[str | int, ...], str], faults: list[str], environ: Mapping[str, str]
    ) -> None:
        """Lay the parts that live in lists or mappings into `tree`."""
        merge = _Merge(tree, places, faults)
        merge.repositories(self)
        merge.tokens_of_forges(environ)
        merge.named("argocd", "instance", self.argocd)
        merge.named("metrics", "name", self.metrics)
        merge.named("alertmanagers", "name", self.alertmanagers)
        merge.mapping("budgets", self.budgets)
        merge.mapping("argocdObjects", self.argocd_objects)
        merge.mapping("flux", self.flux)
        merge.mapping("kubernetes", self.kubernetes)
        merge.mapping("leaderElection", self.election)
        merge.mapping("dashboard", self.dashboard)
        for name, parts in self.secrets.items():
            merge.named("secrets", "name", parts, name)


def overlay(environ: Mapping[str, str], flags: Mapping[str, object]) -> Overlay:
    """Sort variables and flags by what they set. An empty variable counts as not given."""
    given: dict[str, Given] = {}
    for name, value in environ.items():
        if value and (name.startswith(PREFIX) or name in _ARGOCD or name in _METRICS):
            given[name.removeprefix(PREFIX)] = (value, name)
    for flag, setting in flags.items():
        if setting not in (None, (), [], ""):
            _put_flag(given, flag, setting)
    over = Overlay()
    for name in sorted(given):
        _sort(over, name, given[name])
    _both_forms(over, given)
    return over


def _put_flag(given: dict[str, Given], flag: str, setting: object) -> None:
    name = flag.upper()
    given.pop(name.removesuffix("_FILE") if name.endswith("_FILE") else f"{name}_FILE", None)
    given[name] = (setting, "--" + flag.replace("_", "-"))


def _sort(over: Overlay, name: str, given: Given) -> None:
    value, place = given
    if name == "CONFIG":
        over.config = str(value)
    elif name == "REPO":
        over.repositories = (_words(value), place)
    elif name in ("BRANCH", "SIGNING_KEY_FILE"):
        over.repository["branch" if name == "BRANCH" else "signingKeyFile"] = given
    elif name == "REPO_ALIAS":
        over.repository["aliases"] = (list(_words(value)), place)
    elif name in _PLAIN:
        over.values[_PLAIN[name]] = (",".join(value) if isinstance(value, tuple) else value, place)
    elif name in _GIT:
        over.git[_GIT[name]] = given
    elif name in _ARGOCD:
        over.argocd[_ARGOCD[name]] = (_with_scheme(value) if name == "ARGOCD_SERVER" else value, place)
    elif name in _KUBERNETES:
        over.kubernetes[_KUBERNETES[name]] = (",".join(value) if isinstance(value, tuple) else value, place)
    elif name in _DASHBOARD:
        over.dashboard[_DASHBOARD[name]] = (",".join(value) if isinstance(value, tuple) else value, place)
    elif name in _ELECTION:
        over.election[_ELECTION[name]] = given
    elif name in ("FLUX", "ARGOCD_OBJECTS"):
        (over.flux if name == "FLUX" else over.argocd_objects)["enabled"] = given
    elif name == "PROMETHEUS_URL":
        over.metrics["url"] = given
    elif name == "ALERTMANAGER_URL":
        over.alertmanagers["urls"] = (list(_words(value)), place)
    elif name.removeprefix("BUDGET_") in _BUDGETS:
        over.budgets[name.removeprefix("BUDGET_").lower()] = given
    elif match := _SECRET.fullmatch(name):
        over.secrets.setdefault(match["name"].lower().replace("_", "-"), {})[_PARTS[match["part"]]] = given
    else:
        _sort_odd(over, name, given)


def _sort_odd(over: Overlay, name: str, given: Given) -> None:
    value, place = given
    if name == "PAUSE":
        # The variable only stops: `false` must not lift what the file says.
        if value not in (True, "true", False, "false"):
            over.faults.append(f"{place}: must be true or false")
        elif value in (True, "true"):
            over.values["paused"] = (True, place)
    elif name == "CLOCK":
        start, _, speed = str(value).partition(",")
        over.values["clock"] = ({"start": start, "speed": speed}, place)


def _both_forms(over: Overlay, given: Mapping[str, Given]) -> None:
    for name in sorted(given):
        if f"{name}_FILE" in given and not name.endswith("_FILE"):
            over.faults.append(f"{given[name][1]}: {given[name + '_FILE'][1]} is set too; keep one")
    for group in (over.git, over.argocd, *over.secrets.values()):
        for key in [key for key in group if f"{key}File" in group]:
            del group[f"{key}File"]


def _words(value: object) -> tuple[str, ...]:
    parts = value.split() if isinstance(value, str) else cast("Sequence[object]", value)
    return tuple(str(part) for part in parts)


def _with_scheme(value: object) -> object:
    return value if "://" in str(value) else f"https://{value}"


@dataclass
class _Merge:
    tree: Tree
    places: dict[tuple[str | int, ...], str]
    faults: list[str]

    def put(self, node: Tree, path: tuple[str | int, ...], given: Mapping[str, Given]) -> None:
        """Set keys of `node`; a secret's other form in the file is dropped, since the environment wins."""
        for key, (value, place) in given.items():
            node.pop(key.removesuffix("File") if key.endswith("File") else f"{key}File", None)
            node[key] = value
            self.places[(*path, key)] = place

    def mapping(self, key: str, given: Mapping[str, Given]) -> None:
        node = self.tree.setdefault(key, {}) if given else None
        if isinstance(node, dict):
            self.put(node, (key,), given)

    def entries(self, key: str) -> list[object]:
        """The list at `key`, made if it is missing; something else there is left to the validation."""
        found = self.tree.setdefault(key, [])
        return found if isinstance(found, list) else []

    def named(self, key: str, label: str, given: Mapping[str, Given], name: str = "default") -> None:
        """Lay `given` over the entry called `name`, or add it."""
        if not given:
            return
        entries = self.entries(key)
        for index, entry in enumerate(entries):
            if isinstance(entry, dict) and str(entry.get(label, "default")).lower().replace("_", "-") == name:
                self.put(entry, (key, index), given)
                return
        added: Tree = {label: name}
        self.places[(key, len(entries))] = next(iter(given.values()))[1]
        self.put(added, (key, len(entries)), given)
        entries.append(added)

    def repositories(self, over: Overlay) -> None:
        """`--repo` chooses: what the file says of the same URL is kept; without it the file's repositories stay."""
        urls, place = over.repositories
        if urls:
            self._choose(urls, place)
        entries = [entry for entry in self.entries("repositories") if isinstance(entry, dict)]
        origins = {origin_of(str(entry.get("url"))) for entry in entries}
        if over.git and not urls and len(origins) > 1:
            first = next(iter(over.git.values()))[1]
            self.faults.append(f"{first}: the repositories have several origins; name it with each, or use --repo")
            return
        for index, entry in enumerate(entries):
            self._complete(over, entry, index, own_git=not urls and "git" in entry)

    def _choose(self, urls: tuple[str, ...], place: str) -> None:
        listed = self.entries("repositories")
        told = {path: self.places.pop(path) for path in list(self.places) if path[:1] == ("repositories",)}
        chosen: list[object] = []
        for index, url in enumerate(urls):
            old = next(
                (at for at, entry in enumerate(listed) if isinstance(entry, dict) and entry.get("url") == url), -1
            )
            chosen.append(dict(cast("Tree", listed[old])) if old >= 0 else {"url": url})
            self.places[("repositories", index)] = place
            for path in [path for path in told if len(path) > 2 and path[1] == old]:
                self.places[("repositories", index, *path[2:])] = told[path]
        self.tree["repositories"] = chosen

    def _complete(self, over: Overlay, entry: Tree, index: int, own_git: bool) -> None:
        self.put(entry, ("repositories", index), over.repository)
        if over.git and not own_git:
            git = entry.setdefault("git", {})
            if isinstance(git, dict):
                self.put(git, ("repositories", index, "git"), over.git)

    def tokens_of_forges(self, environ: Mapping[str, str]) -> None:
        """A repository on a known forge without credentials of its own takes that forge's token, to push and to ask."""
        for index, entry in enumerate(self.entries("repositories")):
            if not isinstance(entry, dict):
                continue
            url, place = str(entry.get("url")), ("repositories", index)
            self._token_of_git(entry, url, place, environ)
            self._token_of_api(entry, url, place, environ)

    def _token_of_git(self, entry: Tree, url: str, place: Place, environ: Mapping[str, str]) -> None:
        git, known = entry.setdefault("git", {}), known_by_host(url)
        forge = entry.get("forge")
        by_app = isinstance(forge, dict) and "app" in forge  # which then pushes, too
        if known is None or by_app or not url.startswith("https://") or not isinstance(git, dict):
            return
        found = None if {"token", "tokenFile"} & git.keys() else variable_of(known, environ)
        if found is not None:
            variable, key = found
            self.put(git, (*place, "git"), {"username": (known.username, variable), key: (environ[variable], variable)})

    def _token_of_api(self, entry: Tree, url: str, place: Place, environ: Mapping[str, str]) -> None:
        forge = entry.get("forge", {})
        if not isinstance(forge, dict) or {"token", "tokenFile", "app"} & forge.keys():
            return
        found = token_variable(url, forge.get("kind"), environ)
        if found is not None:
            variable, key = found
            entry["forge"] = forge
            self.put(forge, (*place, "forge"), {key: (environ[variable], variable)})
