"""Deliveries as GitHub, GitLab, Gitea, Forgejo, Argo CD, Alertmanager and Slack send them, over real sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hook_server import NOW, Receiving, receiving

from gitops_rollback.web import hooks
from gitops_rollback.web.hooks import Door

SECRET = "not-a-secret"
BODY = b'{"ref":"refs/heads/main","after":"7c1d9e2f0b6a4c55b1f1b6d7c9c0f4a2e8d31c77"}'
HEX = "394ba18f9a50ebf2edc5a1ffcd4c62b5306cbafc5f5437534f758c0f6ec84d02"
WHSEC = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
STANDARD = "v1,0fbjVhh1ctLiXKfzcQ5tSB0rjHICzddHX3IPrDgUraQ="
PRESS = b"payload=%7B%22type%22%3A%22block_actions%22%7D"
PRESSED = "v0=3d9c1aeca33fcd6853a37bf7b0c261a0a88b7ee162631fd719c7ef2048cc1504"
SIGNED_AT = datetime.fromtimestamp(1795000000, UTC)


@dataclass(frozen=True)
class Sent:
    """One delivery of a test vector, its door's key, and the time at which it is fresh."""

    kind: str
    key: str
    body: bytes
    headers: tuple[str, ...]

    @property
    def taken(self) -> int:
        """Slack takes 200 alone."""
        return 200 if self.kind == "slack" else 202

    @property
    def door(self) -> Door:
        return Door(self.kind, "fleet", (self.key,))

    def to(self, one: Receiving, *headers: str, body: bytes | None = None) -> int:
        path = f"/hooks/{self.kind}/fleet"
        return one.post(self.body if body is None else body, *(headers or self.headers), path=path)


def github(signature: str) -> tuple[str, ...]:
    return "X-GitHub-Event: push", f"X-Hub-Signature-256: {signature}"


def standard(signature: str, at: int = 1795000000) -> tuple[str, ...]:
    return (
        "X-Gitlab-Event: Push Hook",
        "webhook-id: msg_1",
        f"webhook-timestamp: {at}",
        f"webhook-signature: {signature}",
    )


def slack(signature: str, at: int = 1795000000) -> tuple[str, ...]:
    return f"X-Slack-Request-Timestamp: {at}", f"X-Slack-Signature: {signature}"


GITHUB = Sent("github", SECRET, BODY, github(f"sha256={HEX}"))
GITEA = Sent("gitea", SECRET, BODY, ("X-Gitea-Event: push", "X-GitHub-Event: push", f"X-Gitea-Signature: {HEX}"))
FORGEJO = Sent("gitea", SECRET, BODY, ("X-Forgejo-Event: push", f"X-Forgejo-Signature: {HEX}"))
FLUX = Sent("flux", SECRET, BODY, (f"X-Signature: sha256={HEX}",))
GITLAB = Sent("gitlab", SECRET, BODY, ("X-Gitlab-Event: Push Hook", f"X-Gitlab-Token: {SECRET}"))
SIGNING = Sent("gitlab", WHSEC, BODY, standard(STANDARD))
SLACK = Sent("slack", SECRET, PRESS, slack(PRESSED))
ARGOCD = Sent("argocd", SECRET, BODY, (f"Authorization: Bearer {SECRET}",))
BASIC = base64.b64encode(f"argocd:{SECRET}".encode()).decode()
ALERTS = Sent("alertmanager", SECRET, BODY, (f"Authorization: Basic {BASIC}",))
ALL = {name: sent for name, sent in globals().items() if isinstance(sent, Sent)}


def at_its_time(one: Receiving, late: timedelta = timedelta(0)) -> None:
    one.ahead = SIGNED_AT - NOW + late


@pytest.mark.parametrize("sent", ALL.values(), ids=ALL)
def test_the_test_vector_is_taken_and_means_one_look(sent: Sent) -> None:
    with receiving() as one:
        at_its_time(one)
        one.open(sent.door)
        assert sent.to(one) == sent.taken
        assert len(one.looks) == (sent.kind != "slack"), "a press is no hint"
        assert one.counted("accepted", sent.kind) + one.counted("ignored", sent.kind) == 1


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        pytest.param(GITHUB, github(f"sha256={HEX.upper()}"), id="upper-case-hex"),
        pytest.param(GITHUB, github(f"SHA256={HEX}"), id="upper-case-name"),
        pytest.param(SIGNING, standard(f"v1,{'A' * 43}= v1a,xyz {STANDARD}"), id="several-signatures"),
        pytest.param(ARGOCD, (f"authorization: bearer {SECRET}",), id="lower-case-bearer"),
    ],
)
def test_what_must_pass_too(sent: Sent, headers: tuple[str, ...]) -> None:
    with receiving() as one:
        at_its_time(one)
        one.open(sent.door)
        assert sent.to(one, *headers) == 202
        assert len(one.looks) == 1


@pytest.mark.parametrize("sent", [GITHUB, GITEA, FORGEJO, FLUX, SIGNING, SLACK], ids=lambda sent: sent.kind)
@pytest.mark.parametrize(
    "body", [BODY[:-1] + b"]", BODY + b"\n", PRESS.replace(b"block", b"blocc"), b""], ids=["byte", "line", "word", "0"]
)
def test_a10_another_body_is_refused_where_the_body_is_signed(sent: Sent, body: bytes) -> None:
    with receiving() as one:
        at_its_time(one)
        one.open(sent.door)
        assert sent.to(one, body=body) == 401
        assert one.looks == []
        assert sent.to(one) == sent.taken


@pytest.mark.parametrize("sent", ALL.values(), ids=ALL)
def test_a10_another_secret_or_none_is_refused(sent: Sent) -> None:
    other = "whsec_" + base64.b64encode(b"x" * 32).decode() if sent.key == WHSEC else "another-secret"
    with receiving() as one:
        at_its_time(one)
        for keys in ((other,), (), ("",)):
            one.open(Door(sent.kind, "fleet", keys))
            assert sent.to(one) == 401
        assert one.looks == []


@pytest.mark.parametrize(
    ("sent", "headers"),
    [
        pytest.param(GITHUB, ("X-GitHub-Event: push",), id="github-none"),
        pytest.param(GITHUB, ("X-Hub-Signature: sha1=" + "a" * 40,), id="github-sha1-only"),
        pytest.param(GITHUB, github("sha1=" + HEX), id="github-sha1-in-its-place"),
        pytest.param(GITHUB, github("sha256="), id="github-empty"),
        pytest.param(GITHUB, github(HEX), id="github-no-name"),
        pytest.param(GITHUB, github(f"sha256={HEX[:-1]}"), id="github-short"),
        pytest.param(GITHUB, github(f"sha256={HEX}0"), id="github-long"),
        pytest.param(GITHUB, github(f"sha256={'z' * 64}"), id="github-no-hex"),
        pytest.param(GITHUB, github(f"sha256={HEX}") + github(f"sha256={HEX}"), id="github-two"),
        pytest.param(GITHUB, ("X-Gitea-Event: push", f"X-Gitea-Signature: {HEX}"), id="github-by-gitea"),
        pytest.param(GITHUB, (f"Authorization: Bearer {SECRET}",), id="github-secret-itself"),
        pytest.param(GITEA, ("X-Gitea-Event: push", "X-Gitea-Signature: ", "X-Hub-Signature-256: sha256="),
                     id="gitea-without-a-secret"),
        pytest.param(GITEA, (f"X-Gitea-Signature: {HEX}", f"X-Gitea-Signature: {HEX}"), id="gitea-two"),
        pytest.param(GITLAB, ("X-Gitlab-Event: Push Hook",), id="gitlab-none"),
        pytest.param(GITLAB, ("X-Gitlab-Token: ",), id="gitlab-empty"),
        pytest.param(GITLAB, (f"X-Gitlab-Token: {SECRET}", f"X-Gitlab-Token: {SECRET}"), id="gitlab-two"),
        pytest.param(SIGNING, (f"X-Gitlab-Token: {WHSEC}",), id="gitlab-secret-where-it-can-sign"),
        pytest.param(SIGNING, standard("v1,"), id="standard-empty"),
        pytest.param(SIGNING, standard(STANDARD.replace("v1,", "v2,")), id="standard-other-version"),
        pytest.param(SIGNING, standard(STANDARD, at=1795000001), id="standard-other-time"),
        pytest.param(SIGNING, standard(" ".join([STANDARD] * 11)), id="standard-too-many"),
        pytest.param(SIGNING, standard(STANDARD)[1:2] + standard(STANDARD), id="standard-two-ids"),
        pytest.param(SIGNING, standard(STANDARD)[2:], id="standard-no-id"),
        pytest.param(SLACK, slack(PRESSED, at=1795000001), id="slack-other-time"),
        pytest.param(SLACK, slack(PRESSED.removeprefix("v0=")), id="slack-no-version"),
        pytest.param(SLACK, slack(PRESSED)[1:], id="slack-no-time"),
        pytest.param(SLACK, ("X-Slack-Request-Timestamp: soon", f"X-Slack-Signature: {PRESSED}"), id="slack-no-number"),
        pytest.param(ARGOCD, ("Authorization: Bearer ",), id="argocd-empty"),
        pytest.param(ARGOCD, (f"Authorization: {SECRET}",), id="argocd-no-scheme"),
        pytest.param(ALERTS, ("Authorization: Basic %%%",), id="alertmanager-no-base64"),
        pytest.param(ALERTS, ("Authorization: Basic " + base64.b64encode(b"u:").decode(),), id="alertmanager-none"),
    ],
)  # fmt: skip
def test_a10_who_does_not_prove_the_secret_changes_nothing(sent: Sent, headers: tuple[str, ...]) -> None:
    with receiving() as one:
        at_its_time(one)
        one.open(sent.door)
        assert sent.to(one, *headers) == 401
        assert one.looks == []
        assert one.counted("refused", sent.kind) == 1


@pytest.mark.parametrize("sent", [SIGNING, SLACK], ids=["standard", "slack"])
@pytest.mark.parametrize(("late", "good"), [(300, True), (301, False), (-300, True), (-301, False)])
def test_a11_a_signed_time_is_good_for_five_minutes(sent: Sent, late: int, good: bool) -> None:
    with receiving() as one:
        at_its_time(one, timedelta(seconds=late))
        one.open(sent.door)
        assert sent.to(one) == (sent.taken if good else 401)


def test_keys_are_changed_without_a_gap() -> None:
    with receiving() as one:
        for keys in (("the-new-one", SECRET), (SECRET, "the-new-one")):
            one.open(Door("github", "fleet", keys))
            assert GITHUB.to(one) == 202
        one.open(Door("github", "fleet", ("the-new-one",)))
        assert GITHUB.to(one) == 401
        assert len(one.looks) == 1


def test_each_door_has_its_own_secret() -> None:
    with receiving() as one:
        one.open(Door("github", "fleet", (SECRET,)), Door("gitea", "fleet", ("another-secret",)))
        assert GITEA.to(one) == 401
        assert GITHUB.to(one) == 202


def test_a11_a_day_later_it_may_mean_one_more_look_and_no_second(monkeypatch: pytest.MonkeyPatch) -> None:
    with receiving() as one:
        one.open(GITHUB.door)
        assert {GITHUB.to(one) for _ in range(100)} == {202}
        assert (len(one.looks), one.counted("repeated", "github")) == (1, 99)
        monkeypatch.setattr(hooks, "REMEMBERED_SECONDS", 0.0)
        assert GITHUB.to(one) == 202
        monkeypatch.setattr(hooks, "REMEMBERED_SECONDS", 24 * 3600.0)
        assert {GITHUB.to(one) for _ in range(100)} == {202}
        assert len(one.looks) == 2


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "REMEMBERED", 3)
    with receiving() as one:
        for number in range(20):
            assert one.event(message=str(number)) == 202
        assert len(one.hooks._known) == 3


def signed(body: bytes, event: str = "push", kind: str = "github") -> tuple[str, ...]:
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    names = {"github": "X-GitHub-Event", "gitea": "X-Gitea-Event"}
    return f"{names[kind]}: {event}", f"X-Hub-Signature-256: sha256={digest}"


def told(one: Receiving, event: str, **body: object) -> int:
    text = json.dumps(body).encode()
    return one.post(text, *signed(text, event), path="/hooks/github/fleet")


def test_a_large_body_is_checked_and_not_looked_into() -> None:
    text = json.dumps({"repository": {"clone_url": "https://elsewhere/x"}, "padding": "x" * (1 << 20)}).encode()
    with receiving() as one:
        one.open(GITHUB.door)
        assert one.post(text, *signed(text), path="/hooks/github/fleet") == 202
        assert [hint.repositories for hint in one.looks] == [()]


EVENTS = [
    ("github", "push", "accepted"),
    ("github", "pull_request", "accepted"),
    ("github", "issue_comment", "accepted"),
    ("github", "ping", "ignored"),
    ("github", "star", "ignored"),
    ("gitea", "pull_request_approved", "accepted"),
    ("gitea", "fork", "ignored"),
]


@pytest.mark.parametrize(("kind", "event", "result"), EVENTS)
def test_only_what_may_concern_us_means_a_look_and_all_is_answered_202(kind: str, event: str, result: str) -> None:
    with receiving() as one:
        one.open(Door(kind, "fleet", (SECRET,)))
        assert one.post(b"{}", *signed(b"{}", event, kind), path=f"/hooks/{kind}/fleet") == 202
        assert one.counted(result, kind) == 1
        assert len(one.looks) == (result == "accepted")


def test_it_says_which_repository_is_to_look() -> None:
    with receiving() as one:
        one.open(GITHUB.door)
        assert told(one, "push", repository={"clone_url": "https://git.example/shop/config.git", "name": 7}) == 202
        assert told(one, "push", repository={"clone_url": "https://elsewhere.example/shop/config.git"}) == 202
        assert [hint.repositories for hint in one.looks] == [("https://git.example/shop/config.git",)]
        assert one.counted("elsewhere", "github") == 1


def test_what_a_real_gitea_sent_is_taken_and_names_its_repository(shared: Path) -> None:
    """Its own bodies, byte for byte, with its own headers and signatures."""
    lines = [json.loads(line) for line in (shared / "recordings/gitea/webhooks.jsonl").read_text().splitlines()]
    with receiving() as one:
        one.open(Door("gitea", "config", ("lab-secret",)))
        for line in lines:
            skipped = ("Host", "Content-Length")
            headers = [f"{name}: {value}" for name, value in line["headers"].items() if name not in skipped]
            assert one.post(line["raw"].encode(), *headers, path=line["path"]) == 202
        assert len(one.looks) == len({line["raw"] for line in lines})
        assert all("http://127.0.0.1:3300/owner/config.git" in hint.repositories for hint in one.looks)
