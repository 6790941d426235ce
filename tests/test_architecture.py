"""The house rules that a machine can hold: imports go one way, functions stay short, tests never sleep and hope."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "gitops_rollback"
LAYERS = ("core", "crash_points", "replicas", "ports", "adapters", "app", "web", "sandbox", "cli")
ONE_ROOM = {
    "git": {"adapters/git/door.py"},
    "requests": {"adapters/engines/argocd_http.py"},
    "httpx": {"adapters/http.py"},
    "httpcore2": {"adapters/kubernetes/transport.py"},
    "lightkube": {"adapters/kubernetes/access.py"},
    "watchfiles": {"adapters/files.py"},
    "uvicorn": {"web/dashboard_server.py"},
    "starlette": {"web/dashboard.py", "web/dashboard_server.py", "web/actions.py", "web/login.py"},
    "jinja2": {"web/dashboard.py"},
    "jwt": {"adapters/forges/github_app.py"},
    "opentelemetry": {"adapters/tracing.py"},
}
NOT_IN_CORE = {
    "requests",
    "httpx",
    "git",
    "logging",
    "structlog",
    "os",
    "subprocess",
    "socket",
    "threading",
    "time",
    "random",
}
STEPPED = ("core", "app", "adapters", "ports", "replicas", "crash_points")  # what a simulation runs step by step
REAL_TIME = ("datetime.now", "datetime.utcnow", "datetime.today", "date.today", "time.time", "time.time_ns")
CHANCE = ("random", "secrets", "uuid.uuid1", "uuid.uuid4", "os.urandom", "os.getrandom")
# Who may know the real time or draw a number all the same, and why.
HONEST = {
    "adapters/clock.py": "it is the clock",
    "adapters/metrics/sigv4.py": "a signature is good for minutes of the real world",
    "adapters/notifiers/sender.py": "jitter between tries",
    "adapters/notifiers/webhook.py": "the time that an event's envelope carries",
    "adapters/engines/argocd.py": "the clock that stands in where none is given",
    "adapters/engines/argocd_exchange.py": "jitter between tries",
    "adapters/engines/flux.py": "the clock that stands in where none is given",
    "adapters/forges/github_app.py": "an App proves itself by a token that ends at a time of the real world",
    "adapters/git/clone.py": "how far back to fetch, and how old a file of a git that died is: the disk has real time",
    "adapters/git/headers.py": "a Retry-After is a date of the real world",
    "adapters/git/repository.py": "how long a mirror may lag behind our own push, in real time",
    "adapters/kubernetes/credentials.py": "a token of the real world ends at a time of the real world",
    "adapters/kubernetes/lease.py": "jitter between tries, and the clock that stands in where none is given",
    "adapters/kubernetes/members.py": "jitter between words",
    "adapters/kubernetes/watching.py": "jitter of how long a watch lasts",
    "app/controller.py": "jitter between ticks, which a simulation replaces",
    "app/wiring_kubernetes.py": "the identity of this start of the process, which no other may have",
    "app/pausing.py": "jitter between pushes of a person's command, which no tick comes to",
    "app/retrying.py": "jitter between pushes, which a simulation replaces",
}
SOURCES = sorted(PACKAGE.rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
HERE = Path(__file__).resolve()
WRITTEN = [ROOT / "make.py", *SOURCES, *(ROOT / "benchmarks").rglob("*.py"), *(path for path in TESTS if path != HERE)]


def _name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def _layer(module: str) -> str:
    part = module.split(".")[1] if "." in module else ""
    return part if part in LAYERS else ""


LOOKED_AT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.Call, ast.Attribute)


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _nodes(path: Path) -> tuple[ast.AST, ...]:
    """Those that any rule here looks at; each file is walked once."""
    return tuple(node for node in ast.walk(_parsed(path)) if isinstance(node, LOOKED_AT))


def _wrong(paths: Iterable[Path], look: Callable[[Path], Iterable[str]]) -> list[str]:
    """What `look` finds wrong in each: one test for all files, since a test for each costs more than its look."""
    return [f"{path.relative_to(ROOT)}: {found}" for path in paths for found in look(path)]


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in _nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, node.module or ""


def _functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in _nodes(path) if isinstance(node, ast.FunctionDef))


def test_imports_go_one_way() -> None:
    assert not _wrong(SOURCES, _up_the_house)


def _up_the_house(path: Path) -> Iterator[str]:
    own = _layer("gitops_rollback." + _name(path).replace("/", ".").removesuffix(".py"))
    if own:
        allowed = LAYERS[: LAYERS.index(own) + 1]
        yield from (f"{line}: {module}" for line, module in _imports(path) if _layer(module) not in ("", *allowed))


def test_each_library_stays_in_its_room() -> None:
    assert not _wrong(SOURCES, _out_of_its_room)


def _out_of_its_room(path: Path) -> Iterator[str]:
    tops = {module.split(".")[0] for _, module in _imports(path)}
    yield from (library for library, rooms in ONE_ROOM.items() if library in tops and _name(path) not in rooms)
    if _name(path).startswith("core/"):
        yield from sorted(tops & NOT_IN_CORE)


def test_no_module_of_ours_imports_itself_in_a_circle() -> None:
    edges = {
        _module(path): {name for _, name in _imports(path) if name.startswith("gitops_rollback")} for path in SOURCES
    }
    done: set[str] = set()
    for start in edges:
        _walk(start, edges, (), done)


def _module(path: Path) -> str:
    return ("gitops_rollback." + _name(path).removesuffix(".py").replace("/", ".")).removesuffix(".__init__")


def _walk(module: str, edges: dict[str, set[str]], way: tuple[str, ...], done: set[str]) -> None:
    assert module not in way, f"import cycle: {' -> '.join((*way, module))}"
    if module in done:
        return
    for imported in edges.get(module, set()):
        if imported in edges and imported != module:
            _walk(imported, edges, (*way, module), done)
    done.add(module)


def test_functions_and_files_stay_short() -> None:
    assert not _wrong(SOURCES, _too_long)
    assert not [path for path in SOURCES if len(path.read_text().splitlines()) > 400]


def test_functions_of_tests_stay_short_too() -> None:
    assert not _wrong(TESTS, _too_long)


def _too_long(path: Path) -> Iterator[str]:
    return (f"{node.name}: {_length(node)} lines" for node in _functions(path) if _length(node) > 60)


def _length(node: ast.FunctionDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def test_every_module_says_what_it_is_for() -> None:
    assert not [path for path in SOURCES if path.read_text() and not ast.get_docstring(_parsed(path))]


def test_no_test_sleeps_and_hopes() -> None:
    assert not _wrong(TESTS, _sleeps)


def _sleeps(path: Path) -> Iterator[str]:
    calls = [node for node in _nodes(path) if isinstance(node, ast.Call)]
    names = [(call.lineno, ast.unparse(call.func)) for call in calls]
    return (f"{line}" for line, name in names if name in ("time.sleep", "sleep") or name.endswith("Event().wait"))


def _real_time_or_chance(path: Path) -> Iterator[str]:
    for node in _nodes(path):
        if isinstance(node, ast.Attribute):
            name = ast.unparse(node).replace("datetime.datetime.", "datetime.").replace("datetime.date.", "date.")
            if name in (*REAL_TIME, *CHANCE) or name.startswith(("random.", "secrets.")):
                yield f"{node.lineno}: {name}"
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (f"{node.lineno}: {name}" for name in names if name in (*REAL_TIME, *CHANCE))
            if node.module in ("random", "secrets"):
                yield f"{node.lineno}: {node.module}"


def test_time_and_chance_come_from_outside() -> None:
    """What a simulated step asks must be the simulation's to say: the next run with its seed is the same."""
    stepped = [path for path in SOURCES if _name(path).split("/")[0].removesuffix(".py") in STEPPED]
    found = {_name(path): list(_real_time_or_chance(path)) for path in stepped}
    assert {name: places for name, places in found.items() if places and name not in HONEST} == {}
    assert [name for name in HONEST if found.get(name) == []] == [], "these need no exception any more"


def test_no_two_files_of_tests_have_one_name() -> None:
    names = [path.name for path in TESTS if path.name != "conftest.py"]
    assert len(names) == len(set(names))


def test_nothing_is_silenced_skipped_or_left_for_later() -> None:
    assert not _wrong(WRITTEN, _left_for_later)


def _left_for_later(path: Path) -> Iterator[str]:
    banned = ("# noqa", "# type: ignore", "# pragma", "TODO", "NotImplementedError", "xfail")
    return (word for word in banned if word in path.read_text())


def test_no_key_lies_in_the_repository() -> None:
    assert not [path for path in (ROOT / "tests").rglob("*") if path.suffix in (".pem", ".key", ".p12")]


def test_no_work_tree_is_ever_made() -> None:
    git_room = "".join(path.read_text() for path in (PACKAGE / "adapters" / "git").glob("*.py"))
    assert '"checkout"' not in git_room
    assert '"worktree"' not in git_room


def test_force_is_never_said_to_git() -> None:
    git_room = "".join(path.read_text() for path in (PACKAGE / "adapters" / "git").glob("*.py"))
    assert '"--force' not in git_room
