"""The sandbox's Gitea against the recorded one, field by field: the story of the recording is played on it again."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox_forge_world import VALUES, Json, Received, Stage, forge_world, receiver

from gitops_rollback.sandbox.forge import Rules

pytestmark = pytest.mark.shared

BRANCH = "gitops-rollback/revert/shop/0123456789ab"
REQUEST = ".gitops-rollback/requests/2026-11-23-shop.yaml"
NOT_PLAYED = {
    "version": "the recorded one is a development version, without a number",
    "create repository": "the sandbox has one from the beginning",
    "writer may write": "a right is given in the sandbox, not by its API",
    "reader may read": "the same",
    "bot may write": "the same",
    "create webhook": "the same",
    "protect main: bot may not push, 1 approval, status needed": "the same",
}
HEADERS_LEFT_OUT = {"content-length", "transfer-encoding", "date", "server", "connection"}


class Played:
    """What the sandbox said to each request, push and webhook of the story, by its note."""

    def __init__(self) -> None:
        self.replies: dict[str, tuple[int, dict[str, str], object]] = {}
        self.pushes: dict[str, subprocess.CompletedProcess[str]] = {}
        self.hooks: list[Received] = []
        self.names: dict[str, str] = {}


def recorded(shared: Path, name: str) -> list[Json]:
    return [json.loads(line) for line in (shared / "recordings" / "gitea" / name).read_text().splitlines()]


class Story:
    """Plays the recorded requests in their order, each with the ids that things have here."""

    def __init__(self, stage: Stage, entries: list[Json], played: Played) -> None:
        self.stage = stage
        self.entries = {entry["note"]: entry["request"] | {"as": entry["as"]} for entry in entries}
        self.played = played
        self.shas: dict[str, str] = {}

    def ask(self, *notes: str) -> None:
        for note in notes:
            request = self.entries[note]
            path, body = request["path"].removeprefix("/api/v1"), json.dumps(request["body"])
            for old, new in self.shas.items():
                path, body = path.replace(old, new), body.replace(old, new)
            login = {"bot": "rollback-bot", None: ""}.get(request["as"], request["as"])
            token = "wrong" if note == "wrong token" else ""
            path = path.replace("/comments/5", f"/comments/{self.played.names.get('comment', '5')}")
            with self.stage.api(login, token) as client:
                content = b"broken" if note == "broken JSON" else body.encode()
                reply = client.request(
                    request["method"],
                    path,
                    content=None if body == "null" and note != "broken JSON" else content,
                    headers={"Content-Type": "application/json"},
                )
            shown = reply.json() if reply.content else ""
            self.played.replies[note] = (reply.status_code, dict(reply.headers), shown)
            if note == "comment" and isinstance(shown, dict):
                self.played.names["comment"] = str(shown["id"])

    def push(self, note: str, login: str, *args: str) -> None:
        self.played.pushes[note] = self.stage.push(login, *args)

    def play(self) -> None:
        self._until_opened()
        self._until_merged()
        self._a_request()
        self.ask("absent repository", "private repository without a token", "repository", "wrong token", "broken JSON")
        self.ask("head does not exist", "commits", "commit", "pull request of a commit")

    def _until_opened(self) -> None:
        stage = self.stage
        self.shas["5d7fd7413af5e4dd60cd9939f711ccde9dcee232"] = stage.heads["bad"]
        self.ask("who am I", *(f"permission of {who}" for who in ("owner", "writer", "reader", "bot", "stranger")))
        self.ask("permission asked by the bot (write only)")
        stage.forge.protect(Rules(pushers=frozenset({"owner"}), approvals=1, checks=("gitops-rollback/plan",)))
        self.ask("branch as the bot sees it", "protections asked by the bot")
        words = f'Revert "shop v2"\n\nThis reverts commit {stage.heads["bad"]}.'
        revert = stage.commit("revert", words, {VALUES: "tag: v1\n"}, "rollback-bot", base="main")
        self.shas["3a6442420549b0a27be3316b59babdb55f9b7781"] = revert
        self.push("bot pushes the revert to the protected branch: refused", "rollback-bot", f"{revert}:refs/heads/main")
        both = (f"{revert}:refs/heads/main", f"{revert}:refs/heads/gitops-rollback-journal")
        self.push("the same, atomic with the journal: both refused", "rollback-bot", "--atomic", *both)
        self.push("reader pushes: refused", "reader", f"{revert}:refs/heads/main")
        self.push("bot pushes its branch", "rollback-bot", f"{revert}:refs/heads/{BRANCH}")
        self.push("again: up to date", "rollback-bot", f"{revert}:refs/heads/{BRANCH}")
        self.push("non-fast-forward: rejected", "rollback-bot", f"{stage.heads['good']}:refs/heads/{BRANCH}")
        self.ask("open pull request", "open again: conflict", "get pull request", "list pull requests")
        self.ask("find by base and head")

    def _until_merged(self) -> None:
        self.ask("label that does not exist", "create label", "labels", "add label", "ask for review", "comment")
        self.ask("edit comment", "list comments", "a reader comments a command", "a writer comments a command")
        self.ask("merge without approval: refused", "status pending", "status success", "combined status", "bad state")
        self.ask("merge with status but no approval: refused", "schedule auto-merge", "approve", "reviews")
        self.ask("after approval: merged by the schedule?", "merge again: refused", "delete branch")
        self.ask("deleted branch: 404")

    def _a_request(self) -> None:
        stage = self.stage
        stage.git("fetch", "-q", str(stage.forge.machine.git.bare), "main")
        asked = stage.commit("req", "Ask for a rollback of shop", {REQUEST: "a: 1\n" * 5}, "writer", base="FETCH_HEAD")
        self.push("a person pushes a request branch", "writer", "req")
        self.shas["cb83d3658fc243f93cf197feb3b4ef4e1a645208"] = asked
        self.ask("a person opens a request", "files of the request")
        ours = stage.commit("req", "Roll back shop", {VALUES: "tag: v0\n"}, "rollback-bot")
        self.shas["9a3cefa1674552603cbc52c4994a13786d566555"] = ours
        self.push("bot pushes onto the person's branch", "rollback-bot", f"{ours}:refs/heads/req")
        self.ask("request after our push", "commits of the request", "a person closes it", "closed")


@pytest.fixture(scope="module")
def played(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    """The whole story, once for all tests of this file."""
    found = Played()
    entries = recorded(shared, "rest.jsonl")
    for entry in entries:
        if entry["note"] == "permission of bot":
            entry["request"]["path"] = entry["request"]["path"].replace("/bot/", "/rollback-bot/")
        if entry["note"] == "permission of stranger":
            entry["request"]["path"] = entry["request"]["path"].replace("/stranger/", "/nobody/")
    with forge_world(tmp_path_factory.mktemp("gitea"), "gitea") as stage, receiver() as (url, hooks):
        stage.forge.hook(url, secret="lab-secret")
        Story(stage, entries, found).play()
        stage.forge.webhooks.wait()
        found.hooks = list(hooks)
        yield found


def shape(value: object, at: str = "") -> frozenset[tuple[str, str]]:
    """Every path in a JSON value with its type; items of a list share one path."""
    kind = "number" if isinstance(value, int | float) and not isinstance(value, bool) else type(value).__name__
    found = {(at, kind)}
    if isinstance(value, dict):
        for key, inner in value.items():
            found |= shape(inner, f"{at}.{key}")
    elif isinstance(value, list):
        for inner in value:
            found |= shape(inner, f"{at}[]")
    return frozenset(found)


def told(value: object) -> object:
    """A message without what is different in each world: ids, addresses, people's names."""
    text = value.get("message", "") if isinstance(value, dict) else ""
    return re.sub(r"(rollback-bot|nobody|stranger|\bbot\b|\d+)", "_", str(text))


def test_every_recorded_request_is_played(shared: Path, played: Played) -> None:
    notes = {entry["note"] for entry in recorded(shared, "rest.jsonl")}
    assert notes - set(played.replies) == set(NOT_PLAYED)


def test_status_and_message_are_the_recorded_ones(shared: Path, played: Played) -> None:
    for entry in recorded(shared, "rest.jsonl"):
        if entry["note"] in NOT_PLAYED:
            continue
        status, _, body = played.replies[entry["note"]]
        was = entry["response"]
        assert (entry["note"], status, told(body)) == (entry["note"], was["status"], told(was["body"]))


def test_each_body_has_the_recorded_fields_and_types(shared: Path, played: Played) -> None:
    for entry in recorded(shared, "rest.jsonl"):
        if entry["note"] not in NOT_PLAYED:
            ours, theirs = shape(played.replies[entry["note"]][2]), shape(entry["response"]["body"])
            assert (entry["note"], sorted(ours ^ theirs)) == (entry["note"], [])


def test_each_answer_has_the_recorded_headers(shared: Path, played: Played) -> None:
    for entry in recorded(shared, "rest.jsonl"):
        if entry["note"] in NOT_PLAYED:
            continue
        ours = {name.lower() for name in played.replies[entry["note"]][1]} - HEADERS_LEFT_OUT
        theirs = set(entry["response"]["headers"]) - HEADERS_LEFT_OUT
        assert (entry["note"], ours ^ theirs) == (entry["note"], set())


def test_the_words_of_states_are_the_recorded_ones(shared: Path, played: Played) -> None:
    names = ("state", "merged", "mergeable", "draft", "title", "body", "comments", "additions", "deletions", "status")
    more = ("changed_files", "protected", "user_can_push", "user_can_merge", "permission", "official", "stale")
    for entry in recorded(shared, "rest.jsonl"):
        was, body = entry["response"]["body"], played.replies.get(entry["note"], (0, {}, None))[2]
        if isinstance(was, dict) and isinstance(body, dict):
            picked = [{name: one.get(name) for name in (*names, *more)} for one in (body, was)]
            assert (entry["note"], picked[0]) == (entry["note"], picked[1])


def test_pushes_print_what_was_recorded(shared: Path, played: Played) -> None:
    for entry in recorded(shared, "pushes.jsonl"):
        done = played.pushes.get(entry["note"])
        if done is None:
            continue
        assert (entry["note"], done.returncode) == (entry["note"], entry["rc"])
        assert bare(done.stderr) == bare(entry["stderr"])
        if "-q" not in entry["args"]:
            assert bare(done.stdout) == bare(entry["stdout"])


def bare(text: str) -> str:
    text = re.sub(r"http://(?:[^@/\s]+@)?127\.0\.0\.1:\d+", "ORIGIN", text)
    return re.sub(r"\b[0-9a-f]{7,40}\b(?!')", "SHA", text.replace(BRANCH, "BRANCH"))


def test_webhooks_come_with_the_recorded_events_fields_and_headers(shared: Path, played: Played) -> None:
    theirs: dict[tuple[str, str, str], Json] = {}
    for entry in recorded(shared, "webhooks.jsonl"):
        body = json.loads(entry["raw"])
        key = (entry["headers"]["X-Gitea-Event"], entry["headers"]["X-Gitea-Event-Type"], body.get("action", ""))
        theirs.setdefault(key, entry | {"body": body})
    ours: dict[tuple[str, str, str], Received] = {}
    for got in played.hooks:
        body = got.body
        ours.setdefault((got.headers["X-Gitea-Event"], got.headers["X-Gitea-Event-Type"], body.get("action", "")), got)
    assert set(theirs) <= set(ours)
    for key, entry in theirs.items():
        names = {name.lower() for name in entry["headers"]} - {"content-length"}
        assert (key, names ^ ({name.lower() for name in ours[key].headers} - {"content-length"})) == (key, set())
        fields = sorted(loose(shape(ours[key].body)) ^ loose(shape(entry["body"])))
        assert (key, fields) == (key, [])


def loose(fields: frozenset[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Without what the moment decides: whether a list has items, whether something is set yet."""
    momentary = ("labels[]", "added[]", "removed[]", "modified[]", "assignees[]", "requested_reviewers[]", "assignee.")
    either = (".pull_request.assignee", ".pull_request.review_comments", ".pull_request.requested_reviewers_teams")
    return frozenset(one for one in fields if not any(word in one[0] for word in momentary) and one[0] not in either)
