"""The rest of the sandbox's forge API: comments, statuses, permissions, pages, limits, Apps, and what breaks."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from sandbox_forge_world import REPOSITORY, VALUES, Json, Stage, forge_world

from gitops_rollback.sandbox.forge import BOT, Rules
from gitops_rollback.sandbox.forge.faults import (
    Fault,
    down,
    github_primary_limit,
    github_secondary_limit,
    gitlab_limit,
    lost_answer,
    proxy_limit,
)
from gitops_rollback.sandbox.forge.github_app import App

KINDS = ("github", "gitlab", "gitea")
PROJECT = f"/projects/{quote(REPOSITORY, safe='')}"
REPO = f"/repos/{REPOSITORY}"


@pytest.fixture(params=KINDS)
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    """A world of each kind with one open pull request of the bot."""
    with forge_world(tmp_path, request.param) as made:
        made.heads["revert"] = made.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n", "N.md": "n\n"})
        made.forge.people.open(BOT, "ours", "Roll back shop")
        yield made


def notes(stage: Stage) -> str:
    return f"{PROJECT}/merge_requests/1/notes" if stage.forge.kind == "gitlab" else f"{REPO}/issues/1/comments"


def test_comments_are_written_edited_and_paged(stage: Stage) -> None:
    one = f"{REPO}/issues/comments" if stage.forge.kind != "gitlab" else notes(stage)
    with stage.api() as client:
        made = client.post(notes(stage), json={"body": "plan"})
        ident = made.json()["id"]
        edit = client.put if stage.forge.kind == "gitlab" else client.patch
        assert edit(f"{one}/{ident}", json={"body": "plan v2"}).json()["body"] == "plan v2"
        for number in range(3):
            stage.forge.people.comment("writer", 1, f"n{number}")
        first = client.get(notes(stage), params={"per_page": 2, "sort": "asc", "page": 1})
        other = stage.api("reader")
        assert edit(f"{one}/{ident}", json={"body": "x"}).status_code == 200
        method = "PUT" if stage.forge.kind == "gitlab" else "PATCH"
        assert other.request(method, f"{one}/{ident}", json={"body": "x"}).status_code == 403
        other.close()
    assert made.status_code == 201
    if stage.forge.kind == "gitea":  # it tells all at once
        assert [one["body"] for one in first.json()] == ["plan v2", "n0", "n1", "n2"]
        return
    assert [one["body"] for one in first.json()] == ["plan v2", "n0"]
    assert 'rel="next"' in first.headers["Link"]
    if stage.forge.kind == "gitlab":
        assert (first.headers["x-next-page"], first.headers["x-total"]) == ("2", "4")


def test_line_comments_are_where_each_forge_has_them(stage: Stage) -> None:
    stage.forge.people.comment_line("writer", 1, VALUES, 1, "why?")
    with stage.api() as client:
        if stage.forge.kind == "github":
            found = client.get(f"{REPO}/pulls/1/comments").json()
            assert client.get(notes(stage)).json() == []
        elif stage.forge.kind == "gitlab":
            found = client.get(notes(stage)).json()
            assert (found[0]["type"], found[0]["position"]["new_path"]) == ("DiffNote", VALUES)
            return
        else:
            review = client.get(f"{REPO}/pulls/1/reviews").json()[0]["id"]
            found = client.get(f"{REPO}/pulls/1/reviews/{review}/comments").json()
    assert [(one["path"], one["body"], one["user"]["login"]) for one in found] == [(VALUES, "why?", "writer")]


def set_status(stage: Stage, client: httpx.Client, state: str) -> httpx.Response:
    root = PROJECT if stage.forge.kind == "gitlab" else REPO
    body = {"state": state, "name" if stage.forge.kind == "gitlab" else "context": "plan", "description": "d"}
    return client.post(f"{root}/statuses/{stage.heads['revert']}", json=body)


def test_statuses_are_told_as_the_newest_of_each_name(stage: Stage) -> None:
    sha = stage.heads["revert"]
    with stage.api() as client:
        assert set_status(stage, client, "pending").status_code == 201
        again = set_status(stage, client, "pending")
        assert set_status(stage, client, "success").status_code == 201
        nonsense = set_status(stage, client, "nonsense").status_code
        if stage.forge.kind == "gitlab":
            found = client.get(f"{PROJECT}/repository/commits/{sha}/statuses").json()
            shown = [(one["name"], one["status"]) for one in found]
        else:
            found = client.get(f"{REPO}/commits/{sha}/status").json()["statuses"]
            shown = [(one["context"], one.get("state") or one["status"]) for one in found]
    assert again.status_code == (400 if stage.forge.kind == "gitlab" else 201)
    if stage.forge.kind == "gitlab":
        assert "Cannot transition status via :enqueue from :pending" in again.text
    assert nonsense == {"github": 422, "gitlab": 400, "gitea": 201}[stage.forge.kind]
    assert shown == [("plan", "nonsense" if stage.forge.kind == "gitea" else "success")]


def test_who_may_what_is_told_to_whom_it_may_be(stage: Stage) -> None:
    with stage.api() as client, stage.api("owner") as owner:
        if stage.forge.kind == "gitlab":
            ids = {
                name: client.get("/users", params={"username": name}).json()[0]["id"] for name in ("writer", "reader")
            }
            levels = [client.get(f"{PROJECT}/members/all/{ids[name]}").json()["access_level"] for name in ids]
            stranger = client.get("/users", params={"username": "stranger"}).json()[0]["id"]
            assert levels == [30, 20]
            assert client.get(f"{PROJECT}/members/all/{stranger}").status_code == 404
            return
        asked = f"{REPO}/collaborators/writer/permission"
        mine = client.get(asked)
        assert owner.get(asked).json()["permission"] == "write"
    assert mine.status_code == (403 if stage.forge.kind == "gitea" else 200)


def test_files_and_pull_requests_of_a_commit_are_told(stage: Stage) -> None:
    stage.forge.people.merge("owner", 1, "squash")
    head = stage.forge.machine.git.head("main")
    with stage.api() as client:
        if stage.forge.kind == "gitlab":
            files = {one["new_path"] for one in client.get(f"{PROJECT}/merge_requests/1/diffs").json()}
            pulls = [one["iid"] for one in client.get(f"{PROJECT}/repository/commits/{head}/merge_requests").json()]
        else:
            files = {one["filename"] for one in client.get(f"{REPO}/pulls/1/files").json()}
            found = client.get(f"{REPO}/commits/{head}/{'pulls' if stage.forge.kind == 'github' else 'pull'}").json()
            pulls = [one["number"] for one in (found if isinstance(found, list) else [found])]
    assert (files, pulls) == ({VALUES, "N.md"}, [1])


def test_closing_and_reopening(stage: Stage) -> None:
    with stage.api() as client:
        if stage.forge.kind == "gitlab":
            place, words = f"{PROJECT}/merge_requests/1", ({"state_event": "close"}, {"state_event": "reopen"})
            closed, again = (client.put(place, json=body).json()["state"] for body in words)
        else:
            place = f"{REPO}/pulls/1"
            closed, again = (client.patch(place, json={"state": word}).json()["state"] for word in ("closed", "open"))
    assert closed == "closed"
    assert again == ("opened" if stage.forge.kind == "gitlab" else "open")


def test_lists_page_by_the_links_of_each_forge(stage: Stage) -> None:
    for number in range(2, 5):
        stage.forge.people.push("writer", f"b{number}", "more", {f"{number}.md": "x\n"})
        stage.forge.people.open("writer", f"b{number}", f"More {number}")
    place = f"{PROJECT}/merge_requests" if stage.forge.kind == "gitlab" else f"{REPO}/pulls"
    size = "limit" if stage.forge.kind == "gitea" else "per_page"
    with stage.api() as client:
        seen, url = [], f"{place}?state=all&{size}=3"
        while url:
            reply = client.get(url)
            seen += [one.get("iid") or one["number"] for one in reply.json()]
            url = reply.links.get("next", {}).get("url", "")
        heads = client.get(f"{REPO}/pulls", params={"head": "ours"}) if stage.forge.kind == "github" else None
        named = client.get(f"{REPO}/pulls", params={"head": "owner:ours"}) if stage.forge.kind == "github" else None
    assert seen == [4, 3, 2, 1]
    if heads is not None and named is not None:  # without an owner it filters nothing
        assert (len(heads.json()), [one["number"] for one in named.json()]) == (4, [1])


def test_a_list_may_tell_an_old_merge_status_at_gitlab(tmp_path: Path) -> None:
    with forge_world(tmp_path, "gitlab") as stage, stage.api() as client:
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.people.open(BOT, "ours", "Roll back shop")
        for _ in range(3):
            client.get(f"{PROJECT}/merge_requests/1")
        stage.forge.people.push("owner", "main", "shop v3", {VALUES: "tag: v3\n"})
        listed = client.get(f"{PROJECT}/merge_requests").json()[0]["detailed_merge_status"]
        client.get(f"{PROJECT}/merge_requests/1")
        fresh = client.get(f"{PROJECT}/merge_requests/1").json()["detailed_merge_status"]
    assert (listed, fresh) == ("mergeable", "conflict")


def test_what_is_known_is_not_sent_again(stage: Stage) -> None:
    place = PROJECT if stage.forge.kind == "gitlab" else REPO
    with stage.api() as client:
        first = client.get(place)
        again = client.get(place, headers={"If-None-Match": first.headers.get("ETag", "x")})
    assert again.status_code == (200 if stage.forge.kind == "gitea" else 304)


def test_a_write_whose_answer_is_lost_has_happened(stage: Stage) -> None:
    stage.forge.faults.add(lost_answer(), "POST")
    with stage.api() as client, pytest.raises(httpx.RemoteProtocolError):
        client.post(notes(stage), json={"body": "plan"})
    assert [one.body for one in stage.forge.state.pulls[1].comments] == ["plan"]


def test_faults_strike_as_often_as_they_are_told_to(stage: Stage) -> None:
    limits = {"github": github_secondary_limit(7), "gitlab": gitlab_limit(7, 1795000000), "gitea": proxy_limit(7)}
    place = PROJECT if stage.forge.kind == "gitlab" else REPO
    stage.forge.faults.add(down(502))
    stage.forge.faults.add(limits[stage.forge.kind])
    stage.forge.faults.add(Fault(delay=0.01))
    stage.forge.faults.add(Fault(500, after=True), "POST")
    with stage.api() as client:
        assert client.get(place).status_code == 502
        limited = client.get(place)
        assert client.get(place).status_code == 200
        assert client.post(notes(stage), json={"body": "plan"}).status_code == 500
    assert limited.status_code == (403 if stage.forge.kind == "github" else 429)
    assert limited.headers["Retry-After"] == "7"
    assert len(stage.forge.state.pulls[1].comments) == 1
    assert github_primary_limit(1).headers["x-ratelimit-remaining"] == "0"


def signed(key: rsa.RSAPrivateKey, claims: Json) -> str:
    parts = [base64.urlsafe_b64encode(json.dumps(one).encode()).rstrip(b"=") for one in ({"alg": "RS256"}, claims)]
    word = b".".join(parts)
    signature = key.sign(word, padding.PKCS1v15(), hashes.SHA256())
    return (word + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def test_an_app_gets_a_token_for_its_installation(tmp_path: Path) -> None:
    key, other = (rsa.generate_private_key(65537, 2048) for _ in range(2))
    with forge_world(tmp_path, "github") as stage:
        numbers = key.public_key().public_numbers()
        stage.forge.install_app(App("rollback", "Iv1.abc", 7, numbers.n, numbers.e))
        now = int(stage.forge.clock.now().timestamp())
        claims = {"iss": "Iv1.abc", "iat": now - 60, "exp": now + 500}
        place = "/app/installations/7/access_tokens"
        with stage.api("", signed(other, claims)) as wrong, stage.api("", signed(key, claims | {"exp": now})) as late:
            assert (wrong.post(place).status_code, late.post(place).status_code) == (401, 401)
        with stage.api("", signed(key, claims)) as app:
            assert app.get("/app").json()["slug"] == "rollback"
            assert app.get(f"{REPO}/installation").json()["id"] == 7
            token = app.post(place).json()["token"]
        with stage.api("", token) as client:
            assert client.get("/user").status_code == 403
            body = {"name": "watch", "head_sha": stage.heads["bad"], "actions": [{"label": "x", "identifier": "back"}]}
            assert client.post(f"{REPO}/check-runs", json=body).status_code == 201
        with stage.api() as person:
            assert person.post(f"{REPO}/check-runs", json=body).status_code == 403


def test_rules_are_told_to_whom_they_may_be(stage: Stage) -> None:
    stage.forge.protect(Rules(approvals=2, checks=("ci",), linear=True))
    with stage.api() as client, stage.api("owner") as owner:
        if stage.forge.kind == "gitlab":
            branch = client.get(f"{PROJECT}/repository/branches/main").json()
            assert (branch["protected"], branch["can_push"]) == (True, False)
            assert client.get(f"{PROJECT}/protected_branches/main").status_code == 403
            assert owner.get(f"{PROJECT}/protected_branches/main").json()["name"] == "main"
        elif stage.forge.kind == "github":
            assert client.get(f"{REPO}/branches/main").json()["protected"] is True
            assert client.get(f"{REPO}/branches/main/protection").status_code == 403
            told = owner.get(f"{REPO}/branches/main/protection").json()
            assert told["required_pull_request_reviews"]["required_approving_review_count"] == 2
        else:
            branch = client.get(f"{REPO}/branches/main").json()
            assert (branch["user_can_push"], branch["required_approvals"]) == (False, 2)
            assert client.get(f"{REPO}/branch_protections/main").status_code == 403
            assert owner.get(f"{REPO}/branch_protections/main").json()["required_approvals"] == 2


def test_a_ruleset_says_who_may_pass_by_it(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage, stage.api() as client:
        stage.forge.protect(Rules(approvals=1, linear=True, queue=True, ruleset=True, bypass=frozenset({BOT})))
        rules = client.get(f"{REPO}/rules/branches/main").json()
        ruleset = client.get(f"{REPO}/rulesets/{rules[0]['ruleset_id']}").json()
    kinds = {rule["type"] for rule in rules}
    assert {"pull_request", "required_linear_history", "merge_queue"} <= kinds
    assert ruleset["current_user_can_bypass"] == "always"


def test_mergeability_may_be_told_as_it_was_before_and_the_merge_knows_better(tmp_path: Path) -> None:
    with forge_world(tmp_path, "github") as stage, stage.api() as client:
        stage.forge.people.push(BOT, "ours", "Revert shop", {VALUES: "tag: v1\n"})
        stage.forge.people.open(BOT, "ours", "Roll back shop")
        for _ in range(2):
            client.get(f"{REPO}/pulls/1")
        stage.forge.state.knobs.stale_asks = 2
        stage.forge.people.push("owner", "main", "shop v3", {VALUES: "tag: v3\n"})
        told = client.get(f"{REPO}/pulls/1").json()["mergeable_state"]
        refused = client.put(f"{REPO}/pulls/1/merge", json={})
    assert (told, refused.status_code) == ("clean", 405)
