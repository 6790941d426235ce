"""`init` on a clone, as a newcomer runs it: what it writes, what it leaves alone, and that the other verbs take it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from config_world import Answer, World, git
from layouts import (
    APP_OF_APPS,
    APPLICATION_SETS,
    FLUX_MONOREPO,
    FLUX_ROOT,
    OVERLAYS,
    PLAIN,
    UMBRELLA,
    Files,
    application,
    deployment,
)

from gitops_rollback.adapters.policies.loading import PolicyFile, load_policies
from gitops_rollback.core.first_policy import TRIGGERS

Cli = Callable[..., Answer]
POLICY = ".gitops-rollback/policies/config.yaml"
SCHEMA = ".gitops-rollback/schema/rollbackpolicy-v1alpha1.schema.json"


@pytest.fixture
def clone(tmp_path: Path) -> Callable[..., Path]:
    """A clone of `acme/config` that holds these files, committed."""

    def make(files: Files, remote: str = "git@github.com:acme/config.git") -> Path:
        root = tmp_path / "clone"
        root.mkdir()
        git("init", "-q", "-b", "main", cwd=root)
        if remote:
            git("remote", "add", "origin", remote, cwd=root)
        _commit(root, files)
        return root

    return make


def _commit(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git("add", "-A", cwd=root)
    git("-c", "user.name=Kim", "-c", "user.email=kim@example.com", "commit", "-q", "-m", "All", cwd=root)


ARGO: Files = {"apps/web.yaml": application("web", "web"), "web/deployment.yaml": deployment("web", "shop")}
URL = "https://git.example.com/acme/config.git"
LAYOUTS: Mapping[str, Files] = {
    "app of apps": APP_OF_APPS,
    "application sets": APPLICATION_SETS,
    "flux": FLUX_MONOREPO,
    "flux from the root": FLUX_ROOT,
    "overlays": OVERLAYS,
    "plain": PLAIN,
    "umbrella": UMBRELLA,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_it_writes_is_without_a_fault_and_only_logs(clone: Callable[..., Path], cli: Cli, layout: str) -> None:
    root = clone(LAYOUTS[layout])
    answer = cli("init", str(root))
    assert answer.code == 0, answer
    linted = cli("lint", str(root))
    assert (linted.code, linted.out) == (0, "")
    (policy,) = load_policies([PolicyFile(POLICY, "100644", (root / POLICY).read_bytes())], "").policies
    assert {trigger.severity.value for trigger in policy.triggers} == {"log_only"}
    assert all(f"{target.name}: " in answer.out for target in policy.targets)
    for path in (root / ".gitops-rollback").rglob("*.*"):
        assert b"# +argocd:skip-file-rendering" in path.read_bytes()  # Argo CD looks for the bytes, in JSON too
    modeline = re.search(r"\$schema=(\S+)", (root / POLICY).read_text())
    assert modeline is not None
    assert ((root / POLICY).parent / modeline[1]).resolve() == (root / SCHEMA).resolve()


def test_it_says_what_it_found_and_what_comes_next(clone: Callable[..., Path], cli: Cli) -> None:
    out = cli("init", str(clone(ARGO))).out
    assert "repository   git@github.com:acme/config.git\n" in out
    assert "forge        github: set GITHUB_TOKEN," in out
    assert "found        web: Application argocd/web, plain manifests in web\n" in out
    steps = re.findall(r"gitops-rollback (\w+)", out[out.index("next ") :])
    assert steps == ["lint", "doctor", "plan", "run"]


def test_where_git_holds_no_object_of_an_engine_it_says_what_it_assumes(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone({"apps/web/deployment.yaml": deployment("web", "shop")})
    assumed = cli("init", str(root), "--dry-run").out
    assert "Argo CD is assumed; with Flux: init --engine flux" in assumed
    assert "is assumed" not in cli("init", str(root), "--dry-run", "--engine", "flux").out


def test_the_lines_that_are_commented_out_are_without_a_fault_too(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(ARGO)
    cli("init", str(root))
    text = (root / POLICY).read_text()
    assert text.endswith(TRIGGERS)
    text = re.sub(r"^    # (- name: high|  [a-z]+: )", r"    \1", text, flags=re.MULTILINE)
    (root / POLICY).write_text(text.replace("# data:", "data:"))
    linted = cli("lint", str(root))
    assert (linted.code, linted.out) == (0, "")
    assert "high-error-rate" in str(load_policies([PolicyFile(POLICY, "100644", text.encode())], "").policies)


def test_a_dry_run_prints_it_and_writes_nothing(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(ARGO)
    answer = cli("init", str(root), "--dry-run")
    assert (answer.code, git("status", "--porcelain", cwd=root)) == (0, "")
    assert f"would write  {POLICY}\n" in answer.out
    printed = answer.out.partition(f"\n{POLICY}:\n")[2]
    cli("init", str(root))
    assert printed == (root / POLICY).read_text()


def test_from_any_folder_of_the_clone_it_writes_to_its_root(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(ARGO)
    assert cli("init", str(root / "web")).code == 0
    assert (root / POLICY).is_file()


def test_a_second_run_leaves_all_as_it_is(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(ARGO)
    cli("init", str(root))
    (root / POLICY).write_text((root / POLICY).read_text().replace("log_only", "page_and_suggest"))
    before = {path: path.read_bytes() for path in (root / ".gitops-rollback").rglob("*.*")}
    answer = cli("init", str(root))
    assert answer.code == 0
    assert "watched      Application argocd/web: a policy names it already\n" in answer.out
    assert {path: path.read_bytes() for path in (root / ".gitops-rollback").rglob("*.*")} == before


def test_what_a_policy_of_a_person_does_not_name_gets_a_policy_beside_it(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(ARGO)
    cli("init", str(root))
    theirs = (root / POLICY).read_text()
    _commit(root, {"apps/api.yaml": application("api", "api"), "api/deployment.yaml": deployment("api", "shop")})
    assert cli("init", str(root)).code == 0
    beside = root / POLICY.replace("config", "config-2")
    assert (root / POLICY).read_text() == theirs
    assert "name: api\n" in beside.read_text()
    assert "name: web" not in beside.read_text()
    assert cli("lint", str(root)).out == ""


def test_a_file_of_a_person_is_kept_and_that_is_said(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone({**ARGO, SCHEMA: "{}\n"})
    answer = cli("init", str(root))
    assert answer.code == 1
    assert f"kept         {SCHEMA}: it differs, and is yours" in answer.out
    assert (root / SCHEMA).read_text() == "{}\n"
    assert (root / POLICY).is_file()


def test_beside_a_broken_policy_nothing_is_written(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone({**ARGO, POLICY: "kind: RollbackPolicy\n"})
    answer = cli("init", str(root))
    assert (answer.code, git("status", "--porcelain", cwd=root)) == (2, "")
    assert "mend what `gitops-rollback lint .` says of it first" in answer.err


def test_nothing_is_written_through_a_link(clone: Callable[..., Path], cli: Cli, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    root = clone(ARGO)
    (root / ".gitops-rollback").symlink_to(outside)
    answer = cli("init", str(root))
    assert (answer.code, [*outside.iterdir()]) == (2, [])
    assert ".gitops-rollback: is a symbolic link" in answer.err


@pytest.mark.parametrize(
    ("standing", "after"),
    {
        "none": (None, "/.gitops-rollback/\n"),
        "others": ("*.md\n", "*.md\n/.gitops-rollback/\n"),
        "no end of line": ("*.md", "*.md\n/.gitops-rollback/\n"),
        "there already": (".gitops-rollback/\n*.md\n", ".gitops-rollback/\n*.md\n"),
    }.values(),
    ids=["none", "others", "no end of line", "there already"],
)
def test_flux_that_takes_every_file_is_told_to_leave_ours_alone(
    clone: Callable[..., Path], cli: Cli, standing: str | None, after: str
) -> None:
    root = clone({**FLUX_ROOT, **({".sourceignore": standing} if standing else {})})
    assert cli("init", str(root)).code == 0
    assert (root / ".sourceignore").read_text() == after


def test_lint_warns_where_flux_takes_our_files(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone(FLUX_ROOT)
    cli("init", str(root))
    assert cli("lint", str(root)).out == ""
    (root / ".sourceignore").write_text("*.md\n")
    linted = cli("lint", str(root))
    assert linted.code == 0
    assert "flux-system/flux-system takes every file of the repository" in linted.out
    assert "(add the line `/.gitops-rollback/`)" in linted.out
    assert cli("lint", str(root), "--fix").out == ""
    assert (root / ".sourceignore").read_text() == "*.md\n/.gitops-rollback/\n"


def test_before_there_is_a_policy_a_clone_has_nothing_to_lint(clone: Callable[..., Path], cli: Cli) -> None:
    answer = cli("lint", str(clone(ARGO)))
    assert (answer.code, answer.out) == (2, "")
    assert "`gitops-rollback init` writes a first one" in answer.err


def test_the_words_of_a_repository_cannot_make_another_policy(clone: Callable[..., Path], cli: Cli) -> None:
    folder = "web\n  suspend: true\n#"
    root = clone({f"{folder}/deployment.yaml": deployment("web", "shop"), "a/b.yaml": deployment("on", "yes")})
    assert cli("init", str(root)).code == 0
    assert cli("lint", str(root)).out == ""
    (policy,) = load_policies([PolicyFile(POLICY, "100644", (root / POLICY).read_bytes())], "").policies
    assert not policy.suspend
    assert {target.name for target in policy.targets} == {"web", "on"}


def test_a_repository_without_an_application_is_told_so(clone: Callable[..., Path], cli: Cli) -> None:
    root = clone({"README.md": "hello\n"})
    answer = cli("init", str(root))
    assert (answer.code, git("status", "--porcelain", cwd=root)) == (1, "")
    assert "No application was found" in answer.err


@pytest.mark.parametrize("what", ["no repository", "no commit"])
def test_a_folder_that_is_no_clone_is_a_usage_error(tmp_path: Path, cli: Cli, what: str) -> None:
    if what == "no commit":
        subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    answer = cli("init", str(tmp_path))
    assert answer.code == 2
    assert ("has no commit yet" if what == "no commit" else "lies in no git repository") in answer.err


def test_a_remote_is_only_looked_at(world: World, cli: Cli) -> None:
    world.commit({path: text.encode() for path, text in PLAIN.items()})
    before = git("rev-parse", "main", cwd=world.path)
    answer = cli("init", "--repo", world.url, "-o", "json")
    assert answer.code == 0
    told = json.loads(answer.out)
    assert told["watched"] == []
    assert [one["target"] for one in told["applications"]] == ["web", "worker"]
    assert told["files"][0]["path"] == POLICY
    assert (told["forge"], told["dryRun"]) == ("github", True)
    assert git("rev-parse", "main", cwd=world.path) == before


def test_what_it_wrote_is_what_the_other_verbs_read(world: World, cli: Cli, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    git("clone", "-q", str(world.path), str(root), cwd=tmp_path)
    _commit(root, PLAIN)
    assert cli("init", str(root)).code == 0
    _commit(root, {})
    git("push", "-q", "origin", "main", cwd=root)
    listed = cli("get", "policies", "-o", "json")
    assert listed.code == 0
    assert "config" in listed.out
    watched = cli("get", "applications", "-o", "json")
    assert {"web", "worker", "checkout-api"} <= set(re.findall(r"[a-z-]+", watched.out))


WEIGHTS = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web}
spec:
  http:
    - route:
        - {destination: {host: web, subset: stable}, weight: 80}
        - {destination: {host: web, subset: canary}, weight: 20}
"""
SLOT = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  selector: {app: web, slot: blue}\n"
FLAGS = """\
apiVersion: core.openfeature.dev/v1beta1
kind: FeatureFlag
metadata: {name: web}
spec: {flagSpec: {flags: {newCart: {state: ENABLED, variants: {"on": true, "off": false}, defaultVariant: "on"}}}}
"""


def test_weights_slots_and_flags_that_are_found_stand_in_the_policy_for_review(
    cli: Cli, clone: Callable[..., Path]
) -> None:
    root = clone({**ARGO, "web/route.yaml": WEIGHTS, "web/service.yaml": SLOT, "web/flags.yaml": FLAGS})
    assert cli("init", str(root)).code == 0
    text = (root / POLICY).read_text()
    (read,) = load_policies([PolicyFile(POLICY, "100644", text.encode())], "").policies
    assert read.strategies == (), "nothing is in force before a person has looked at it"
    head, found, block = text.partition("  # strategies:\n")
    taken = head + re.sub("(?m)^  # ", "  ", found + block)
    loaded = load_policies([PolicyFile(POLICY, "100644", taken.encode())], "")
    assert not loaded.errors, loaded.errors
    (policy,) = loaded.policies
    assert {(one.type, one.edits.file, one.edits.field) for one in policy.strategies if one.edits} == {
        ("canary", "web/route.yaml", "spec.http[0].route[1].weight"),
        ("blue-green", "web/service.yaml", "spec.selector.slot"),
        ("feature-flag", "web/flags.yaml", "spec.flagSpec.flags.newCart.defaultVariant"),
    }
    assert [one.complement for one in policy.strategies if one.type == "canary"] == ["spec.http[0].route[0].weight"]
