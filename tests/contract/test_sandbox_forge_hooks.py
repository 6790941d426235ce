"""Webhooks of the sandbox's forge: signed as each signs, and lost, repeated and reordered where told to."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import pytest
from hook_server import NOW, receiving
from sandbox_forge_world import VALUES, Received, Stage, forge_world, receiver

from gitops_rollback.sandbox.forge import BOT
from gitops_rollback.sandbox.forge.webhooks import digest, standard_signature
from gitops_rollback.web.hooks import Door

KINDS = ("github", "gitlab", "gitea")
BODY = b'{"ref":"refs/heads/main","after":"7c1d9e2f0b6a4c55b1f1b6d7c9c0f4a2e8d31c77"}'
KEY = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
EVENT = {"github": "X-GitHub-Event", "gitlab": "X-Gitlab-Event", "gitea": "X-Gitea-Event"}


@pytest.fixture(params=KINDS)
def told(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Stage, list[Received]]]:
    """A world of each kind that tells a receiver, and what that has got."""
    with forge_world(tmp_path, request.param) as stage, receiver() as (url, received):
        stage.forge.hook(url, secret="lab-secret", key=KEY)
        yield stage, received


def words(stage: Stage, received: list[Received]) -> list[tuple[str, str]]:
    """The event and its action, of everything that has come."""
    stage.forge.webhooks.wait()
    found = []
    for one in received:
        body = one.body
        action = body.get("object_attributes", {}).get("action", "") if stage.forge.kind == "gitlab" else ""
        found.append((one.headers[EVENT[stage.forge.kind]], action or body.get("action", "")))
    return found


def test_signatures_are_those_of_the_test_vectors() -> None:
    assert digest("not-a-secret", BODY) == "394ba18f9a50ebf2edc5a1ffcd4c62b5306cbafc5f5437534f758c0f6ec84d02"
    signature = standard_signature(KEY, "msg_1", 1795000000, BODY)
    assert signature == "v1,0fbjVhh1ctLiXKfzcQ5tSB0rjHICzddHX3IPrDgUraQ="


def test_each_delivery_is_signed_over_what_was_sent(told: tuple[Stage, list[Received]]) -> None:
    stage, received = told
    stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
    stage.forge.webhooks.wait()
    one = received[-1]
    mac = hmac.new(b"lab-secret", one.raw, hashlib.sha256).hexdigest()
    if stage.forge.kind == "gitlab":
        assert one.headers["X-Gitlab-Token"] == "lab-secret"
        at, ident = int(one.headers["webhook-timestamp"]), one.headers["webhook-id"]
        assert ident == one.headers["Idempotency-Key"]
        assert one.headers["webhook-signature"] == standard_signature(KEY, ident, at, one.raw)
    else:
        assert one.headers["X-Hub-Signature-256"] == f"sha256={mac}"
    if stage.forge.kind == "gitea":
        assert one.headers["X-Gitea-Signature"] == mac


def test_the_life_of_a_pull_request_is_told(told: tuple[Stage, list[Received]]) -> None:
    stage, received = told
    people = stage.forge.people
    people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
    people.open(BOT, "ours", "Roll back shop")
    note = people.comment("writer", 1, "/rollback plan")
    people.edit_comment("writer", note, "/rollback approve")
    people.push("writer", "ours", "one more", {"README.md": "m\n"})
    people.approve("writer", 1)
    people.set_status(BOT, stage.forge.state.pulls[1].head_sha, "ci", "success")
    people.merge("owner", 1)
    got = words(stage, received)
    wanted = {
        "github": [
            ("ping", ""),
            ("push", ""),
            ("pull_request", "opened"),
            ("issue_comment", "created"),
            ("issue_comment", "edited"),
            ("push", ""),
            ("pull_request", "synchronize"),
            ("pull_request_review", "submitted"),
            ("status", ""),
            ("pull_request", "closed"),
            ("push", ""),
        ],
        "gitlab": [
            ("Push Hook", ""),
            ("Merge Request Hook", "open"),
            ("Note Hook", "create"),
            ("Note Hook", "update"),
            ("Push Hook", ""),
            ("Merge Request Hook", "update"),
            ("Merge Request Hook", "approved"),
            ("Pipeline Hook", ""),
            ("Merge Request Hook", "merge"),
            ("Push Hook", ""),
        ],
        "gitea": [
            ("push", ""),
            ("pull_request", "opened"),
            ("issue_comment", "created"),
            ("issue_comment", "edited"),
            ("push", ""),
            ("pull_request", "synchronized"),
            ("pull_request_approved", "reviewed"),
            ("status", ""),
            ("pull_request", "closed"),
            ("push", ""),
        ],
    }
    it = iter(got)
    assert [one for one in wanted[stage.forge.kind] if one not in it] == []


def test_what_a_handler_reads_is_in_the_bodies(told: tuple[Stage, list[Received]]) -> None:
    stage, received = told
    stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
    stage.forge.people.open(BOT, "ours", "Roll back shop")
    stage.forge.people.comment("writer", 1, "/rollback plan")
    old = stage.forge.state.pulls[1].head_sha
    new = stage.forge.people.push("writer", "ours", "one more", {"README.md": "m\n"})
    words(stage, received)
    bodies = [one.body for one in received]
    if stage.forge.kind == "gitlab":
        note = next(body for body in bodies if body["object_kind"] == "note")
        update = [body for body in bodies if body["object_kind"] == "merge_request"][-1]["object_attributes"]
        assert (note["object_attributes"]["note"], note["user"]["username"]) == ("/rollback plan", "writer")
        assert note["merge_request"]["iid"] == 1
        assert (update["oldrev"], update["last_commit"]["id"]) == (old, new)
        return
    note = next(body for body in bodies if "comment" in body)
    assert (note["comment"]["body"], note["sender"]["login"]) == ("/rollback plan", "writer")
    assert note["issue"]["number"] == 1
    sync = [body for body in bodies if "pull_request" in body][-1]
    assert sync["pull_request"]["head"]["sha"] == new
    assert (sync["repository"]["full_name"], sync["number"]) == ("owner/config", 1)


def test_hooks_get_lost_repeated_and_out_of_order_where_told_to(told: tuple[Stage, list[Received]]) -> None:
    stage, received = told
    hooks = stage.forge.webhooks
    stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
    stage.forge.people.open(BOT, "ours", "Roll back shop")
    before = len(words(stage, received))
    hooks.trouble.lose = 1
    stage.forge.people.comment("writer", 1, "lost")
    assert len(words(stage, received)) == before
    hooks.trouble.repeat = 1
    stage.forge.people.comment("writer", 1, "twice")
    assert len(words(stage, received)) == before + 2
    assert received[-1].raw == received[-2].raw
    hooks.trouble.hold = True
    stage.forge.people.comment("writer", 1, "first")
    stage.forge.people.comment("writer", 1, "second")
    hooks.let_go()
    words(stage, received)
    assert [b"second" in one.raw for one in received[-2:]] == [True, False]


def test_without_a_secret_gitea_sends_empty_digests(tmp_path: Path) -> None:
    with forge_world(tmp_path, "gitea") as stage, receiver() as (url, received):
        stage.forge.hook(url)
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.webhooks.wait()
    assert received[-1].headers["X-Gitea-Signature"] == ""
    assert received[-1].headers["X-Hub-Signature-256"] == "sha256="


def test_a_hook_hears_only_what_it_has_chosen(tmp_path: Path) -> None:
    with forge_world(tmp_path, "gitea") as stage, receiver() as (url, received):
        stage.forge.hook(url, events=("pull_request",))
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.people.open(BOT, "ours", "Roll back shop")
        stage.forge.webhooks.wait()
    assert {one.headers["X-Gitea-Event"] for one in received} == {"pull_request"}


@pytest.mark.parametrize("kind", KINDS)
def test_the_product_takes_every_delivery_as_authentic_and_its_own(kind: str, tmp_path: Path) -> None:
    with forge_world(tmp_path, kind) as stage, receiving() as doors:
        doors.ahead = stage.forge.clock.now() - NOW
        doors.open(Door(kind, "fleet", (KEY if kind == "gitlab" else "lab-secret",)))
        host, port = doors.server.address
        stage.forge.hook(f"http://{host}:{port}/hooks/{kind}/fleet", secret="lab-secret", key=KEY)
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.people.open(BOT, "ours", "Roll back shop")
        stage.forge.people.comment("writer", 1, "/rollback plan")
        stage.forge.people.approve("writer", 1)
        stage.forge.people.merge("owner", 1)
        stage.forge.webhooks.wait()
        assert {sent.status for sent in stage.forge.webhooks.sent} == {202}
        assert doors.counted("refused", kind) == 0
        assert len(doors.looks) >= 5
        address = f"{stage.forge.url}/owner/config.git"
        assert all(address in hint.repositories for hint in doors.looks)


def test_forgejo_is_gitea_that_adds_its_own_name(tmp_path: Path) -> None:
    with forge_world(tmp_path, "forgejo") as stage, receiver() as (url, received), stage.api() as client:
        stage.forge.hook(url, secret="lab-secret")
        assert "+gitea-" in client.get("/version").json()["version"]
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.webhooks.wait()
    headers = received[-1].headers
    assert headers["X-Forgejo-Event"] == headers["X-Gitea-Event"] == headers["X-GitHub-Event"] == "push"
    assert headers["X-Forgejo-Signature"] == headers["X-Gitea-Signature"]
