"""Reads the settings: flags over environment over file, all faults at once, each with the place where it was written.

A file's fault has `file:line:col`, one of the environment the variable's name, one of the command line the flag. Any
secret `x` may come as `xFile` (`X_FILE` in the environment); both at once is a fault. No value of a secret, and no
value that might be one, is ever repeated in a fault.
Source: interfaces.md, Environment.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from pydantic import ValidationError

from gitops_rollback.app import settings as shapes
from gitops_rollback.app.origins import is_loopback
from gitops_rollback.app.settings import DEFAULT_CONFIG, Settings
from gitops_rollback.app.settings_engines import engines_of_cluster
from gitops_rollback.app.settings_environment import PREFIX, Overlay, overlay
from gitops_rollback.app.settings_values import Closed
from gitops_rollback.core.document import Document, DocumentInvalid, read_document
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState, settings_pause

MAX_FILE_BYTES = 256 << 10
MAX_NAMED_BYTES = 1 << 20  # a CA bundle has a quarter of it
SHORTEST_SECRET = 6  # characters; a shorter one may stand in any word by chance
SECRET_KEYS = frozenset({"token", "previousToken", "password", "value", "privateKey"})

Place = tuple[str | int, ...]


@dataclass
class _Input:
    """The tree that will be validated, where each part of it was written, and the faults so far."""

    tree: dict[str, object] = field(default_factory=dict)
    places: dict[Place, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def where(self, path: Place) -> str:
        """The place of `path`, or of the nearest part above it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return "settings"

    def fault(self, path: Place, message: str) -> None:
        words = ".".join(str(part) for part in path)
        self.faults.append(f"{self.where(path)}: {words + ': ' if words else ''}{message}")


def load_settings(environ: Mapping[str, str], flags: Mapping[str, object] | None = None) -> Settings:
    """The settings in force. `flags` by the flag's name without dashes (`repo`, `allow_origins`); None is not given.

    A file named by `--config` or `GITOPS_ROLLBACK_CONFIG` must exist; the default one may be missing.
    Raises: SettingsInvalid with all faults, one a line.
    """
    over = overlay(environ, flags or {})
    given = _Input()
    path = _read_file(given, over)
    _apply(given, over, environ)
    _read_secret_files(given, given.tree, ())
    settings = _validate(given)
    if settings is not None and not over.config:
        _check_named(given, settings)
    if settings is None or given.faults:
        raise SettingsInvalid("settings", "\n".join(dict.fromkeys(given.faults)))
    watched = tuple(dict.fromkeys(([path] if path else []) + given.files))
    state_dir = settings.state_dir or default_state_dir(environ)
    found = {"config_file": path, "watched": watched, "state_dir": state_dir}
    return settings.model_copy(update={**found, **engines_of_cluster(settings, environ)})


def _validate(given: _Input) -> Settings | None:
    context = {name: given.tree.get(key) in (True, "true") for name, key in _CONTEXT.items()}
    try:
        settings = Settings.model_validate(given.tree, context=context)
    except ValidationError as exc:
        for error in exc.errors(include_url=False, include_context=False, include_input=False):
            place = tuple(error["loc"])
            given.fault(place, _words(error["type"], error["msg"], place))
        return None
    _check(given, settings)
    return settings


_CONTEXT = {"allow_http": "allowHttp", "allow_file": "allowFileUrls"}
_RESERVED = ("configFile", "watched", "enginesFound")


def _read_file(given: _Input, over: Overlay) -> str:
    name = over.config or DEFAULT_CONFIG
    try:
        text = _read_bytes(name, MAX_FILE_BYTES)
    except FileNotFoundError:
        if over.config:
            given.faults.append(f"{name}: there is no such file")
        return ""
    except (OSError, ValueError) as exc:
        given.faults.append(f"{name}: cannot be read ({_why(exc)})")
        return name
    try:
        document = read_document(text, MAX_FILE_BYTES)
    except DocumentInvalid as exc:
        given.faults.append(f"{name}:{exc}")
        return name
    _take_document(given, name, document)
    return name


def _take_document(given: _Input, name: str, document: Document) -> None:
    given.places.update({path: f"{name}:{line}:{column}" for path, (line, column) in document.marks.items()})
    if document.value is None:
        return
    if not isinstance(document.value, dict):
        given.faults.append(f"{name}:1:1: must hold keys and values")
        return
    for reserved in _RESERVED:
        if reserved in document.value:
            given.fault((reserved,), "unknown key")
    tree = {key: value for key, value in document.value.items() if key not in _RESERVED}
    # `git:` with nothing behind it says the same as leaving it out.
    given.tree.update(cast("dict[str, object]", _without_none(tree)))


def _without_none(value: object) -> object:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _apply(given: _Input, over: Overlay, environ: Mapping[str, str]) -> None:
    """Lay what the environment and the flags say over the tree, with the name of each as its place."""
    given.faults.extend(over.faults)
    for key, (value, place) in over.values.items():
        given.tree[key] = value
        given.places = {path: at for path, at in given.places.items() if path[:1] != (key,)}
        given.places[(key,)] = place
    over.merge_lists(given.tree, given.places, given.faults, environ)


def _read_secret_files(given: _Input, node: object, path: Place) -> None:
    """Replace each `xFile` of a secret `x` by the file's text, and note every file that is named for watching."""
    if isinstance(node, list):
        for index, item in enumerate(node):
            _read_secret_files(given, item, (*path, index))
    if not isinstance(node, dict):
        return
    for key in list(node):
        value = node[key]
        if not (key.endswith("File") and isinstance(value, str) and value):
            _read_secret_files(given, value, (*path, key))
            continue
        secret = key.removesuffix("File")
        if secret in SECRET_KEYS and secret in node:
            given.fault((*path, key), f"{secret} and {key} are both set; keep one")
            continue
        text = _file_text(given, (*path, key), value)
        if secret in SECRET_KEYS:
            # An empty placeholder keeps a second fault ("missing") from hiding the first.
            node[secret] = text


def _file_text(given: _Input, path: Place, name: str) -> str:
    try:
        text = _read_bytes(name, MAX_NAMED_BYTES).decode()
    except (OSError, ValueError) as exc:
        given.fault(path, f"{name} cannot be read ({_why(exc)})")
        return ""
    given.files.append(name)
    if not text.strip():
        given.fault(path, f"{name} is empty")
    return text.strip("\r\n")


def _read_bytes(name: str, limit: int) -> bytes:
    path = Path(name)
    if path.is_dir():
        raise ValueError("a directory")
    with path.open("rb") as file:
        text = file.read(limit + 1)
    if len(text) > limit:
        raise ValueError(f"larger than {limit} bytes")
    return text


def _why(exc: Exception) -> str:
    if isinstance(exc, UnicodeDecodeError):
        return "not UTF-8"
    return (exc.strerror or type(exc).__name__) if isinstance(exc, OSError) else str(exc)


def _words(kind: str, message: str, path: Place) -> str:
    if kind == "extra_forbidden":
        near = difflib.get_close_matches(str(path[-1]), sorted(_known_keys()), n=1)
        return f"unknown key{f', did you mean {near[0]}?' if near else ''}"
    if kind == "missing":
        return "is missing"
    return message.removeprefix("Value error, ")


def _known_keys() -> Iterator[str]:
    for shape in Closed.__subclasses__():
        yield from (info.alias or name for name, info in shape.model_fields.items())


def _check(given: _Input, settings: Settings) -> None:
    """Faults that no single value shows: names that are taken twice, secrets that nobody offers, a scaled clock."""
    _check_unique(given, "repositories", [repository.label for repository in settings.repositories])
    _check_unique(given, "argocd", [engine.instance for engine in settings.argocd])
    taken = [engine.instance for engine in settings.argocd]
    for key, engine in (("argocdObjects", settings.argocd_objects), ("flux", settings.flux)):
        if engine is not None and engine.enabled and engine.instance in taken:
            given.fault((key, "instance"), f"the name {engine.instance!r} is taken by an Argo CD")
        taken += [engine.instance] if engine is not None and engine.enabled else []
    _check_unique(given, "metrics", [server.name for server in settings.metrics])
    _check_unique(given, "alertmanagers", [one.name for one in settings.alertmanagers])
    _check_unique(given, "registries", [one.name for one in settings.registries])
    _check_unique(given, "chartRepositories", [one.url.rstrip("/") for one in settings.chart_repositories])
    for index, registry in enumerate(settings.registries):
        for mirror in registry.mirrors:
            if mirror.partition("/")[0] not in {one.name for one in settings.registries} - {registry.name}:
                given.fault(("registries", index, "mirrors"), f"{mirror!r} is below no other registry of this list")
    _check_unique(given, "hooks", [f"{hook.kind}/{hook.name}" for hook in settings.hooks])
    _check_unique(given, "tenants", [tenant.name for tenant in settings.tenants])
    _check_unique(given, "secrets", [shapes.secret_key(secret.name) for secret in settings.secrets])
    for index, place in enumerate(settings.notifications):
        if place.secret_ref and settings.secret(place.secret_ref.name) is None:
            given.fault(("notifications", index, "secretRef"), "names a secret that the settings do not offer")
    for index, audit in enumerate(settings.audit):
        if audit.secret_ref and settings.secret(audit.secret_ref.name) is None:
            given.fault(("audit", index, "secretRef"), "names a secret that the settings do not offer")
    _check_unique(given, "audit", [audit.name for audit in settings.audit])
    _check_unique(given, "notifications", [place.label for place in settings.notifications])
    _check_commands(given, settings)
    _check_forges(given, settings)
    if settings.clock is not None and not is_all_loopback(settings):
        given.fault(("clock",), "scaled time is for demos: every origin must be loopback")


def _check_forges(given: _Input, settings: Settings) -> None:
    for index, repository in enumerate(settings.repositories):
        fault = repository.forge_fault
        if fault:
            given.fault(("repositories", index, "forge"), fault)


def _check_commands(given: _Input, settings: Settings) -> None:
    """What was run stands in commits, and in what people are told."""
    secrets = [secret for secret in settings.secret_values if len(secret) >= SHORTEST_SECRET]
    for index, repository in enumerate(settings.repositories):
        for number, render in enumerate(repository.render):
            if any(secret in word for word in render.command for secret in secrets):
                place = ("repositories", index, "render", number, "command")
                given.fault(place, "must hold no secret: the commit says what was run")


def _check_named(given: _Input, settings: Settings) -> None:
    """A file that merely lies where we were started may be that of a clone, and whoever pushed it must run nothing."""
    for index, repository in enumerate(settings.repositories):
        if repository.render:
            message = f"commands count only where --config or {PREFIX}CONFIG names the file"
            given.fault(("repositories", index, "render"), message)


def is_all_loopback(settings: Settings) -> bool:
    """True if every origin that the settings name is this machine."""
    listed = [entry if "://" in entry else f"//{entry}" for entry in settings.allow_origins]
    return all(is_loopback(url) for url in (*settings.own_urls, *listed))


def _check_unique(given: _Input, key: str, names: list[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            given.fault((key, index), f"the name {name!r} is taken twice")


def default_state_dir(environ: Mapping[str, str]) -> str:
    """Where clones and locks live unless the settings say otherwise. Source: XDG Base Directory Specification."""
    state = environ.get("XDG_STATE_HOME", "")
    home = environ.get("HOME", "")
    if state.startswith("/"):
        return f"{state}/gitops-rollback"
    return f"{home}/.local/state/gitops-rollback" if home.startswith("/") else "/var/lib/gitops-rollback"


def prepare_state_dir(settings: Settings) -> Path:
    """The state directory, made for us alone (0700) if it was not there. Raises: SettingsInvalid."""
    path = Path(settings.state_dir)
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        usable = os.access(path, os.W_OK | os.X_OK)
    except OSError as exc:
        raise SettingsInvalid("settings", f"stateDir: {path} cannot be made ({_why(exc)})") from exc
    if not usable:
        raise SettingsInvalid("settings", f"stateDir: {path} cannot be written to")
    return path


def read_settings_pause(settings: Settings, environ: Mapping[str, str]) -> PauseState:
    """What the first door says right now, even if the file has other faults; unreadable means stop.

    For reloads: a broken new file does not come into force, but its stop does.
    """
    if not settings.config_file:
        return settings.pause
    given = _Input()
    over = overlay(environ, {"config": settings.config_file})
    _read_file(given, over)
    if given.faults:
        return PauseState(SETTINGS_DOOR, unreadable=given.faults[0])
    words = {key: given.tree[key] for key in ("paused", "pausedUntil") if key in given.tree}
    try:
        read = Settings.model_validate(words)
    except ValidationError:
        return PauseState(SETTINGS_DOOR, unreadable="paused or pausedUntil cannot be understood")
    paused = read.paused or over.values.get("paused", (False, ""))[0] is True
    return settings_pause(paused, read.paused_until)
