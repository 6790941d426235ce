"""What only GitHub does: words of a refused merge, GraphQL, Apps, rulesets, and requests as the API wants them."""

from __future__ import annotations

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from forge_canned import HEAD, Canned, Reply, answering, pull

from gitops_rollback.adapters.forges.github_app import InstallationTokens
from gitops_rollback.adapters.forges.settings import AppKey, ForgeSettings, default_api
from gitops_rollback.adapters.http import Http
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.core.errors import CredentialsRejected, ForgeUnavailable, SettingsInvalid
from gitops_rollback.core.pull_request import Mergeability, MergeMethod, MergeOutcome, Permission, StatusState

ROOT = "/repos/owner/config"
GET, LIST, MERGE = f"GET {ROOT}/pulls/1", f"GET {ROOT}/pulls", f"PUT {ROOT}/pulls/1/merge"
GRAPH = "POST /graphql"


def test_each_request_names_the_version_and_the_list_names_the_owner_of_the_branch() -> None:
    with answering({LIST: Reply([])}) as canned:
        canned.client("github", api_version="2026-03-10").find("a/b", "main")
        request = canned.server.requests[0]
    assert "head=owner%3Aa%2Fb&base=main" in request.line
    assert request.headers["x-github-api-version"] == "2026-03-10"
    assert request.headers["accept"] == "application/vnd.github+json"
    assert request.headers["user-agent"] == "gitops-rollback"


@pytest.mark.parametrize(
    ("word", "mergeability"),
    [
        ("clean", Mergeability.READY),
        ("unstable", Mergeability.READY),
        ("has_hooks", Mergeability.READY),
        ("unknown", Mergeability.CHECKING),
        ("blocked", Mergeability.BLOCKED),
        ("behind", Mergeability.BLOCKED),
        ("dirty", Mergeability.CONFLICT),
        ("brand_new", Mergeability.BLOCKED),
    ],
)
def test_its_words_for_what_stands_against_a_merge(word: str, mergeability: Mergeability) -> None:
    with answering({GET: Reply(pull(mergeable=word != "dirty", mergeable_state=word))}) as canned:
        found = canned.client("github").get(1)
    assert (found.mergeability, found.why) == (mergeability, "" if mergeability is Mergeability.READY else word)


def test_a_trial_merge_is_no_commit_of_the_branch_and_null_is_not_worked_out_yet() -> None:
    with answering({GET: Reply(pull(mergeable=None, merge_commit_sha="f" * 40))}) as canned:
        found = canned.client("github").get(1)
    assert (found.mergeability, found.merge_sha) == (Mergeability.CHECKING, None)


@pytest.mark.parametrize(
    ("status", "words", "outcome"),
    [
        (405, "Base branch was modified. Review and try the merge again.", MergeOutcome.NOT_READY),
        (405, "Pull Request is not mergeable", MergeOutcome.NOT_READY),
        (405, "Squash merges are not allowed on this repository.", MergeOutcome.REFUSED),
        (405, "2 of 2 required status checks are expected.", MergeOutcome.REFUSED),
        (405, "Changes must be made through the merge queue", MergeOutcome.UNAVAILABLE),
        (409, "Head branch was modified. Review and try the merge again.", MergeOutcome.LOST_RACE),
        (403, "Resource not accessible by integration", MergeOutcome.REFUSED),
    ],
)
def test_what_a_refused_merge_means(status: int, words: str, outcome: MergeOutcome) -> None:
    with answering({GET: Reply(pull()), MERGE: Reply({"message": words}, status)}) as canned:
        merged = canned.client("github").merge(1, HEAD, MergeMethod.SQUASH, "Revert\n\nwhy")
        (sent,) = canned.sent("PUT")
    assert merged.outcome is outcome
    assert words in merged.message
    assert sent == {"sha": HEAD, "merge_method": "squash", "commit_title": "Revert", "commit_message": "why"}


def test_what_is_blocked_may_be_ready_a_moment_later() -> None:
    blocked = Reply(pull(mergeable_state="blocked"))
    with answering({GET: blocked, MERGE: Reply({"message": "At least 1 approving review"}, 405)}) as canned:
        merged = canned.client("github").merge(1, HEAD, MergeMethod.MERGE, "m")
    assert merged.outcome is MergeOutcome.NOT_READY


def graph(canned_graph: list[Reply] | Reply, **more: Reply | list[Reply]) -> dict[str, Reply | list[Reply]]:
    return {GET: Reply(pull()), GRAPH: canned_graph, **more}


def errors(*found: tuple[str, str]) -> Reply:
    return Reply({"data": None, "errors": [{"type": kind, "message": message} for kind, message in found]})


def when_ready(canned: Canned) -> MergeOutcome:
    return canned.client("github").merge_when_ready(1, HEAD, MergeMethod.SQUASH, "Revert\n\nwhy").outcome


def test_auto_merge_is_asked_of_graphql_with_the_head_that_was_seen() -> None:
    with answering(graph(Reply({"data": {"enablePullRequestAutoMerge": {"pullRequest": {"number": 1}}}}))) as canned:
        assert when_ready(canned) is MergeOutcome.SCHEDULED
        (sent,) = canned.sent(GRAPH)
    assert sent["variables"] == {"id": "PR_1", "method": "SQUASH", "head": HEAD, "title": "Revert", "text": "why"}


@pytest.mark.parametrize(
    ("kind", "words", "outcome"),
    [
        ("UNPROCESSABLE", "Auto merge is not allowed for this repository", MergeOutcome.UNAVAILABLE),
        ("UNPROCESSABLE", "Pull request Pull request is in clean status", MergeOutcome.MERGED),
        ("UNPROCESSABLE", "Pull request Protected branch rules not configured for this branch", MergeOutcome.MERGED),
        ("UNPROCESSABLE", "Pull request is in dirty status", MergeOutcome.NOT_READY),
        ("FORBIDDEN", "Resource not accessible by integration", MergeOutcome.REFUSED),
    ],
)
def test_errors_of_graphql_come_with_a_200(kind: str, words: str, outcome: MergeOutcome) -> None:
    merged = Reply({"merged": True, "sha": "a" * 40, "message": "Pull Request successfully merged"})
    with answering(graph(errors((kind, words)), **{MERGE: merged})) as canned:
        assert when_ready(canned) is outcome


def test_a_branch_with_a_queue_gets_it_into_the_queue() -> None:
    queue = Reply({"message": "Changes must be made through the merge queue"}, 405)
    said = [
        errors(("UNPROCESSABLE", "Pull request is in clean status")),
        Reply({"data": {"enqueuePullRequest": {"mergeQueueEntry": {"position": 1}}}}),
    ]
    with answering(graph(said, **{MERGE: queue})) as canned:
        assert when_ready(canned) is MergeOutcome.SCHEDULED
        assert "enqueuePullRequest" in canned.sent(GRAPH)[1]["query"]


def test_a_limit_of_graphql_is_told_and_holds_for_graphql_alone() -> None:
    with answering(graph(errors(("RATE_LIMITED", "API rate limit exceeded")))) as canned:
        client = canned.client("github")
        with pytest.raises(ForgeUnavailable) as caught:
            client.merge_when_ready(1, HEAD, MergeMethod.MERGE, "m")
        assert caught.value.wait_seconds > 50
        assert client.get(1).number == 1


def test_what_is_taken_back_leaves_the_queue_too() -> None:
    said = [Reply({"data": {}}), Reply({"data": {"node": {"isInMergeQueue": True}}}), Reply({"data": {}})]
    with answering({GET: Reply(pull(auto_merge={"merge_method": "merge"})), GRAPH: said}) as canned:
        canned.client("github").cancel_merge(1)
        asked = [one["query"] for one in canned.sent(GRAPH)]
    assert ["disable" in asked[0], "isInMergeQueue" in asked[1], "dequeue" in asked[2]] == [True, True, True]


def test_a_token_of_a_workflow_has_a_name_too() -> None:
    replies = {
        "GET /user": Reply({"message": "Resource not accessible by integration"}, 403),
        GRAPH: Reply({"data": {"viewer": {"login": "github-actions[bot]"}}}),
        f"GET {ROOT}": Reply({"permissions": {"push": True}, "allow_squash_merge": True, "allow_auto_merge": False}),
    }
    with answering(replies) as canned:
        facts = canned.client("github").facts()
    assert (facts.login, facts.permission, facts.auto_merge) == ("github-actions[bot]", Permission.WRITE, False)
    assert facts.methods == (MergeMethod.SQUASH,)


def test_what_a_classic_token_lacks_is_said() -> None:
    replies = {
        "GET /user": Reply({"login": "bot"}),
        f"GET {ROOT}": Reply({"permissions": {"push": False, "pull": True}}, 200, ("X-OAuth-Scopes: read:org",)),
    }
    with answering(replies) as canned:
        facts = canned.client("github").facts()
    assert facts.permission is Permission.READ
    assert [words for words in facts.trouble if "Contents: write" in words or "needs repo" in words]
    assert len(facts.trouble) == 2


def test_a_commit_with_too_many_statuses_is_left_alone() -> None:
    full = Reply(
        {"message": "Validation Failed: This SHA and context has reached the maximum number of statuses."}, 422
    )
    replies = {f"GET {ROOT}/commits/{HEAD}/statuses": Reply([]), f"POST {ROOT}/statuses/{HEAD}": full}
    with answering(replies) as canned:
        canned.client("github").set_status(HEAD, "x", StatusState.SUCCESS, "d" * 200)
        (sent,) = canned.sent("POST")
    assert len(sent["description"]) == 140


def test_who_may_not_write_is_told_nothing_of_others() -> None:
    path = f"GET {ROOT}/collaborators/alice/permission"
    with answering({path: Reply({"message": "Must have push access"}, 403, ("x-ratelimit-remaining: 9",))}) as canned:
        assert canned.client("github").permission("alice") is Permission.UNKNOWN
        assert canned.client("github", approvers=("alice",)).permission("Alice".lower()) is Permission.WRITE


RULES = [
    {
        "type": "pull_request",
        "ruleset_id": 7,
        "ruleset_source": "owner/config",
        "parameters": {"required_approving_review_count": 2, "require_code_owner_review": True},
    },
    {
        "type": "required_status_checks",
        "ruleset_id": 7,
        "ruleset_source": "owner/config",
        "parameters": {"required_status_checks": [{"context": "build"}]},
    },
    {"type": "required_signatures", "ruleset_id": 8},
    {"type": "required_linear_history", "ruleset_id": 8},
]


@pytest.mark.parametrize(("bypass", "may"), [("always", True), ("pull_requests_only", False), ("never", False)])
def test_rulesets_say_what_they_ask_and_whether_we_are_above_them(bypass: str, may: bool) -> None:
    replies = {
        f"GET {ROOT}/branches/main": Reply({"name": "main", "protected": False}),
        f"GET {ROOT}/rules/branches/main": Reply(RULES),
        f"GET {ROOT}/rulesets/7": Reply({"current_user_can_bypass": bypass}),
    }
    with answering(replies) as canned:
        found = canned.client("github").rules("main")
    assert (found.protected, found.we_may_push, found.approvals, found.checks) == (True, may, 2, ("build",))
    assert (found.code_owners, found.signed, found.linear, found.queue) == (True, True, True, False)
    assert bool(found.remedies) is not may


def test_enterprise_server_has_its_api_below_its_own_address() -> None:
    assert default_api("github", "https://github.com") == "https://api.github.com"
    assert default_api("github", "https://acme.ghe.com") == "https://api.acme.ghe.com"
    assert default_api("github", "https://ghe.acme.example") == "https://ghe.acme.example/api/v3"
    with answering({"GET /api/v3/repos/owner/config/pulls/1": Reply(pull()), "POST /api/graphql": Reply({})}) as canned:
        client = canned.client("github", api=f"{canned.server.url}/api/v3")
        assert client.merge_when_ready(1, HEAD, MergeMethod.MERGE, "m").outcome is MergeOutcome.SCHEDULED


# Apps


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return made.private_bytes(*form).decode()


def token(text: str) -> Reply:
    return Reply({"token": text, "permissions": {"contents": "write", "pull_requests": "read"}}, 201)


def app(*tokens: Reply, **more: Reply | list[Reply]) -> dict[str, Reply | list[Reply]]:
    return {
        f"GET {ROOT}/installation": Reply({"id": 42}),
        "POST /app/installations/42/access_tokens": list(tokens),
        "GET /app": Reply({"slug": "rollback"}),
        **more,
    }


def test_an_app_asks_with_a_token_for_this_repository_alone(key: str) -> None:
    replies = app(token("ghs_1"), **{f"GET {ROOT}": Reply({"permissions": {"push": False}})})
    with answering(replies) as canned:
        facts = canned.client("github", token="", app=AppKey("Iv1.abc", key)).facts()
        proof = next(one for one in canned.server.requests if "access_tokens" in one.line)
        claims = jwt.decode(proof.headers["authorization"].split()[1], options={"verify_signature": False})
        asked = next(one for one in canned.server.requests if one.line.startswith(f"GET {ROOT} "))
    assert (facts.login, facts.permission) == ("rollback[bot]", Permission.WRITE)
    assert facts.trouble == (
        "the App lacks the permission pull_requests: write",
        "the App lacks the permission statuses: write",
    )
    assert (claims["iss"], claims["exp"] - claims["iat"]) == ("Iv1.abc", 600)
    assert canned.sent("POST /app") == [{"repositories": ["config"]}]
    assert asked.headers["authorization"] == "Bearer ghs_1"


def test_a_token_of_an_app_is_renewed_before_it_ends(key: str) -> None:
    now = 0.0
    with answering(app(token("ghs_1"), token("ghs_2"), Reply({"message": "x"}, 502))) as canned:
        rules = OriginRules.parse([canned.server.url])
        settings = ForgeSettings("github", canned.server.url, "owner/config", canned.server.url)
        http, within = Http(rules), settings.timeout
        tokens = InstallationTokens(settings, AppKey("1", key, 42), http, lambda *_: None, lambda: now)
        said = []
        for minute in (0, 49, 50, 51, 101, 109):
            now = minute * 60.0
            said.append(tokens.headers(within)["Authorization"][-5:])
        assert said == ["ghs_1", "ghs_1", "ghs_2", "ghs_2", "ghs_2", "ghs_2"]
        now = 111 * 60.0
        with pytest.raises(ForgeUnavailable):
            tokens.headers(within)
        http.close()


def test_a_token_that_was_taken_back_is_replaced_and_the_request_sent_again(key: str) -> None:
    refused = Reply({"message": "Bad credentials"}, 401)
    with answering(app(token("ghs_1"), token("ghs_2"), **{GET: [refused, Reply(pull())]})) as canned:
        assert canned.client("github", token="", app=AppKey("1", key)).get(1).number == 1


def test_an_app_that_is_not_installed_is_a_setting_to_mend(key: str) -> None:
    with answering({}) as canned, pytest.raises(CredentialsRejected, match=r"forge\.app"):
        canned.client("github", token="", app=AppKey("1", key)).get(1)


def test_a_key_that_is_none_is_told_at_the_start_and_never_shown() -> None:
    with answering({}) as canned, pytest.raises(SettingsInvalid) as caught:
        canned.client("github", token="", app=AppKey("1", "canary-key"))
    assert "canary-key" not in str(caught.value)
    assert caught.value.__cause__ is None
