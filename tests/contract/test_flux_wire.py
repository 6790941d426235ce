"""Fields of Flux's objects: revisions, durations, what a source follows, who writes tags, and what is malformed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flux_cluster import FakeCluster, flux_for, in_the_way
from flux_objects_made import SHA, URL, applied, condition, entry, git_repository, made, not_fetching, rev

from gitops_rollback.adapters.engines.flux_objects import commit_of, parse_duration, parse_revision
from gitops_rollback.core.convergence import converged
from gitops_rollback.core.deployments import deployments
from gitops_rollback.core.sync import ApplicationState, Health, SyncStatus

HISTORY = [entry("1", "a", "09:00:00", "09:00:00")]


def state_of(*objects: tuple[str, Any], name: str = "cart") -> ApplicationState:
    cluster = FakeCluster()
    for plural, value in objects:
        cluster.put(plural, value)
    return next(one for one in flux_for(cluster).applications() if one.id.name == name)


@pytest.mark.parametrize(
    ("text", "ref", "digits"),
    [
        (f"main@sha1:{SHA['a']}", "main", SHA["a"]),
        (f"feat/x@sha1:{SHA['a']}", "feat/x", SHA["a"]),
        (f"refs/heads/main@sha1:{SHA['a']}", "refs/heads/main", SHA["a"]),
        (f"refs/pull/9/head@sha1:{SHA['a']}", "refs/pull/9/head", SHA["a"]),
        (f"v1.4.2@sha1:{SHA['a']}", "v1.4.2", SHA["a"]),
        (f"sha1:{SHA['a']}", "", SHA["a"]),
        (f"main/{SHA['a']}", "main", SHA["a"]),
        (f"feat/x/{SHA['a']}", "feat/x", SHA["a"]),
        (f"HEAD/{SHA['a']}", "", SHA["a"]),
        (SHA["a"], "", SHA["a"]),
        ("latest@sha256:abc", "latest", "abc"),
        ("main@<unknown>:abc", "main", "abc"),
        ("6.0.3+4e5cbb7b97d0", "", "6.0.3+4e5cbb7b97d0"),
        ("", "", ""),
    ],
)
def test_a_revision_is_ref_and_hash(text: str, ref: str, digits: str) -> None:
    assert (parse_revision(text).ref, parse_revision(text).hash) == (ref, digits)


def test_a_commit_is_lower_case() -> None:
    assert commit_of(f"main@sha1:{SHA['a'].upper()}") == SHA["a"]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h0m0s", 3600), ("40.5s", 40.5), ("212.783234ms", 0.212783234), ("950µs", 0.00095), ("9m30s", 570)],
)
def test_a_duration_is_written_as_go_writes_it(text: str, seconds: float) -> None:
    found = parse_duration(text)
    assert found is not None
    assert found.total_seconds() == pytest.approx(seconds, abs=1e-6)


@pytest.mark.parametrize("text", ["", "10", "-5m", "1h 2m", "five", "1" * 200 + "s", "1d"])
def test_what_is_no_duration_is_none(text: str) -> None:
    assert parse_duration(text) is None


def test_an_endless_duration_is_cut() -> None:
    assert parse_duration("9" * 40 + "h") == timedelta(days=366)


# Is the branch the lever?


@pytest.mark.parametrize(
    ("ref", "follows"),
    [
        ({"branch": "main"}, "main"),
        (None, "master"),
        ({}, "master"),
        ({"name": "refs/heads/release/1"}, "release/1"),
    ],
)
def test_a_branch_is_followed(ref: Any, follows: str) -> None:
    state = state_of(("gitrepositories", git_repository(ref=ref)), ("kustomizations", applied("a", HISTORY)))
    assert [(one.repo_url, one.path, one.target_revision) for one in state.sources] == [(URL, "apps/cart", follows)]
    assert state.obstacles == ()


@pytest.mark.parametrize(
    ("ref", "follows"),
    [
        ({"branch": "main", "commit": SHA["a"]}, SHA["a"]),
        ({"branch": "main", "tag": "main"}, "refs/tags/main"),
        ({"semver": ">=1.0", "branch": "main"}, "tags in the range >=1.0"),
        ({"tag": "v2", "semver": ">=1.0"}, "refs/tags/v2"),
        ({"name": "refs/tags/v1", "tag": "v2"}, "refs/tags/v1"),
        ({"name": "refs/pull/9/head"}, "refs/pull/9/head"),
        ({"commit": SHA["a"], "name": "refs/heads/main"}, SHA["a"]),
    ],
)
def test_a_pinned_source_is_named_and_looks_like_no_branch(ref: dict[str, str], follows: str) -> None:
    state = state_of(("gitrepositories", git_repository(ref=ref)), ("kustomizations", applied("a", HISTORY)))
    assert state.sources[0].target_revision == follows
    assert f"follows {follows} and no branch" in in_the_way(state)["PinnedSource"]


def test_an_oci_artifact_is_no_commit_though_it_says_from_which_one_it_was_made() -> None:
    revision = "v1@sha256:" + "1" * 64
    source = made(
        "OCIRepository",
        "fleet",
        {"url": "oci://git.example/fleet", "ref": {"tag": "v1"}},
        {"artifact": {"revision": revision, "metadata": {"org.opencontainers.image.revision": rev("b")}}},
    )
    history = [{**HISTORY[0], "metadata": {"revision": revision}}]
    value = applied("a", history, sourceRef={"kind": "OCIRepository", "name": "fleet"})
    state = state_of(("ocirepositories", source), ("kustomizations", value))
    said = in_the_way(state)["NotGit"]
    assert "no git repository" in said
    assert rev("b") in said
    assert [one.revisions for one in deployments(state)] == [(revision,)]


def test_a_source_that_is_not_there_feeds_nobody() -> None:
    state = state_of(("kustomizations", applied("a", HISTORY)))
    assert "GitRepository flux-system/fleet does not exist" in in_the_way(state)["SourceMissing"]
    assert state.sources[0].repo_url == ""


def test_suspended_unsigned_and_failing_sources_are_named() -> None:
    source = git_repository(suspend=True, verify={"mode": "HEAD"})
    source["status"]["conditions"] = [condition("Ready", "False", "GitOperationFailed", "no route to host")]
    state = state_of(("gitrepositories", source), ("kustomizations", applied("a", HISTORY)))
    assert set(in_the_way(state)) == {"SuspendedSource", "SignedCommitsOnly"}
    assert state.obstacles[0].remedy == "`flux resume source git fleet -n flux-system`"
    assert "no route to host" in dict(state.conditions)["SourceNotReady"]
    assert not state.auto_sync


def test_what_a_failing_source_says_is_told_without_the_credentials_in_it() -> None:
    source = not_fetching("cannot reach https://robot:hunter2@git.example/fleet?token=hunter3: 401")
    state = state_of(("gitrepositories", source), ("kustomizations", applied("a", HISTORY)))
    told = in_the_way(state)["SourceNotReady"]
    assert "cannot reach https://git.example/fleet" in told
    assert "`flux reconcile source git fleet -n flux-system`" in state.obstacles[0].remedy
    assert "hunter" not in f"{told} {state.conditions}"


@pytest.mark.parametrize("spec", [{"suspend": True}, None])
def test_a_dependency_that_is_suspended_or_not_there_blocks(spec: dict[str, Any] | None) -> None:
    value = applied("a", HISTORY, dependsOn=[{"name": "infra"}])
    others = [("kustomizations", applied("a", HISTORY, name="infra", **spec))] if spec else []
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", value), *others)
    assert "flux-system/infra" in in_the_way(state)["DependencyBlocks"]
    assert [str(one) for one in state.needs] == [str(state.id).replace(state.id.name, "infra")]


def waits_for(name: str, *others: str) -> dict[str, Any]:
    """A Kustomization that is applied at "a", and waits for what it depends on."""
    found = applied("a", HISTORY, name=name, dependsOn=[{"name": one} for one in others])
    found["status"]["conditions"] = [condition("Ready", "False", "DependencyNotReady", f"{others[0]} is not ready")]
    return found


def test_what_blocks_a_dependency_blocks_what_depends_on_it() -> None:
    crds = applied("a", HISTORY, name="crds")
    crds["status"]["conditions"] = [condition("Ready", "False", "BuildFailed", "no such file")]
    chain = [waits_for("cart", "infra"), waits_for("infra", "crds", "cart"), crds]
    state = state_of(("gitrepositories", git_repository()), *[("kustomizations", one) for one in chain])
    (blocking,) = [one.message for one in state.obstacles]
    assert "Kustomization flux-system/crds is not ready" in blocking
    assert "no such file" in blocking


def test_what_only_waits_for_one_another_blocks_nothing_that_could_be_named() -> None:
    ring = [waits_for("cart", "infra"), waits_for("infra", "cart")]
    state = state_of(("gitrepositories", git_repository()), *[("kustomizations", one) for one in ring])
    assert state.obstacles == ()


# Image automation


def automation(**spec: Any) -> dict[str, Any]:
    git = {"checkout": {"ref": {"branch": "main"}}, "push": {"branch": "main"}}
    whole = {"sourceRef": {"kind": "GitRepository", "name": "fleet"}, "git": git, "update": {"path": "./apps"}, **spec}
    status = {"observedPolicies": {"cart": {"name": "reg.example/cart", "tag": "v1"}}, "lastPushCommit": SHA["b"]}
    return made("ImageUpdateAutomation", "images", {"interval": "1m", **whole}, status)


POLICY = made("ImagePolicy", "cart", {}, {"latestRef": {"name": "reg.example/cart", "tag": "v2"}})


def rewriting(writer: dict[str, Any]) -> str:
    state = state_of(
        ("gitrepositories", git_repository()),
        ("kustomizations", applied("a", HISTORY)),
        ("imageupdateautomations", writer),
        ("imagepolicies", POLICY),
    )
    words = dict(state.conditions).get("ImageAutomation", "")
    assert ("ImageAutomation" in in_the_way(state)) == bool(words)
    return words


def test_an_automation_that_would_write_the_tag_again_is_named_with_the_image() -> None:
    assert "flux-system/images" in rewriting(automation())
    assert "cart=reg.example/cart:v2" in rewriting(automation())
    assert rewriting(automation(update={"path": "./apps/cart/overlays"}))
    assert rewriting(automation(git={"checkout": {"ref": {"branch": "main"}}}))


def test_what_an_automation_selects_is_named_as_marks_name_it() -> None:
    git = {"checkout": {"ref": {"branch": "main"}}, "commit": {"author": {"name": "flux", "email": "flux@example.org"}}}
    state = state_of(
        ("gitrepositories", git_repository()),
        ("kustomizations", applied("a", HISTORY)),
        ("imageupdateautomations", automation(git=git)),
        ("imagepolicies", POLICY),
    )
    (found,) = state.image_automations
    assert (found.author, found.selects) == ("flux@example.org", {"flux-system:cart": "reg.example/cart:v2"})


@pytest.mark.parametrize(
    "spec",
    [
        {"suspend": True},
        {"update": {"path": "./apps/cartoon"}},
        {"git": {"push": {"branch": "staging"}}},
        {"sourceRef": {"kind": "GitRepository", "name": "another"}},
    ],
)
def test_an_automation_that_writes_elsewhere_is_not(spec: dict[str, Any]) -> None:
    assert not rewriting(automation(**spec))


@pytest.mark.parametrize(("branch", "found"), [("main", True), ("staging", False)])
def test_an_automation_that_names_no_branch_writes_to_the_one_that_its_own_source_follows(
    branch: str, found: bool
) -> None:
    own = git_repository(name="written", ref={"branch": branch})
    writer = automation(git={"commit": {}}, sourceRef={"kind": "GitRepository", "name": "written"})
    state = state_of(
        ("gitrepositories", git_repository()),
        ("gitrepositories", own),
        ("kustomizations", applied("a", HISTORY)),
        ("imageupdateautomations", writer),
    )
    assert ("ImageAutomation" in in_the_way(state)) is found


# Bad inputs


def test_a_new_object_without_status_is_unknown_and_well_formed() -> None:
    value = applied("a", None)
    value["status"] = {"observedGeneration": -1}
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", value))
    assert (state.sync, state.health, deployments(state), state.malformed) == (
        SyncStatus.UNKNOWN,
        Health.UNKNOWN,
        (),
        "",
    )
    del value["status"]
    assert state_of(("kustomizations", value)).malformed == ""


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        (("status", "history"), {"a": 1}),
        (("status", "conditions"), "Ready"),
        (("status", "conditions"), [7]),
        (("status", "lastAppliedRevision"), 7),
        (("status", "observedGeneration"), "1"),
        (("status", "inventory"), {"entries": [{"id": "broken"}]}),
        (("status", "history"), [{"digest": "sha256:1", "firstReconciled": "soon", "lastReconciled": "later"}]),
        (("status", "history"), [{"digest": "", "firstReconciled": "2026-11-23T09:00:00Z"}]),
        (("spec", "suspend"), "no"),
        (("spec", "dependsOn"), {"name": "x"}),
        (("spec", "sourceRef"), "fleet"),
        (("metadata", "generation"), 1.5),
        (("metadata", "labels"), ["x"]),
        (("spec",), None),
        (("status",), []),
    ],
)
def test_what_is_malformed_is_set_aside_and_said(path: tuple[str, ...], wrong: Any) -> None:
    broken = applied("a", HISTORY)
    inner = broken
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = wrong
    cluster = FakeCluster()
    cluster.put("gitrepositories", git_repository())
    cluster.put("kustomizations", broken)
    cluster.put("kustomizations", applied("a", HISTORY, name="other"))
    states = {one.id.name: one for one in flux_for(cluster).applications()}
    assert states["cart"].malformed
    assert not states["other"].malformed
    assert not converged(states["cart"], lambda _: True, states["cart"].observed_at.replace(year=2020))[0]


def test_an_object_without_a_name_is_left_out() -> None:
    cluster = FakeCluster()
    cluster.objects["kustomizations", "flux-system", ""] = {"metadata": {"namespace": "flux-system"}, "spec": {}}
    assert flux_for(cluster).applications() == ()


@pytest.mark.parametrize("revision", ["", "abc1234", "main@sha1:abc1234", "v1.0.0"])
def test_a_revision_that_is_no_commit_is_told_as_it_is(revision: str) -> None:
    value = applied("a", [{**HISTORY[0], "metadata": {"revision": revision}}])
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", value))
    assert [one.revisions for one in deployments(state)] == [(commit_of(revision),)]


def test_outcomes_of_the_future_or_before_their_beginning_have_a_start_before_their_end() -> None:
    ahead = entry("2", "b", "23:59:00", "09:00:00", lastReconciledDuration="20h0m0s")
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", applied("b", [ahead, *HISTORY])))
    for record in deployments(state):
        assert record.deployed_at is not None
        assert record.started_at <= record.deployed_at


def test_an_unknown_word_is_no_success() -> None:
    odd = applied("a", [{**HISTORY[0], "lastReconciledStatus": "Splendid"}])
    odd["status"]["conditions"] = [condition("Ready", "Maybe", "Splendid", "well")]
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", odd))
    assert [one.deployed_at for one in deployments(state)] == [None]
    assert not converged(state, lambda _: True, state.observed_at.replace(year=2020))[0]


def test_ten_thousand_history_entries_are_read_in_bounds() -> None:
    many = [entry(str(number), "a", "08:00:00", "09:00:00") for number in range(10_000)]
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", applied("a", many)))
    assert len(deployments(state)) <= 100


def test_the_inventory_names_objects_of_any_kind() -> None:
    value = applied("a", HISTORY)
    ids = ["shop_cart_apps_Deployment", "shop_cart__Service", "_system__reader_rbac.authorization.k8s.io_ClusterRole"]
    value["status"]["inventory"] = {"entries": [{"id": one, "v": "v1"} for one in ids]}
    state = state_of(("gitrepositories", git_repository()), ("kustomizations", value))
    assert [one.key for one in state.resources] == [
        "apps/Deployment/shop/cart",
        "/Service/shop/cart",
        "rbac.authorization.k8s.io/ClusterRole//system:reader",
    ]
    assert state.namespace == "shop"
