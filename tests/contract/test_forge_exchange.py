"""What is the same at every forge: limits, lost answers, deadlines, pages, what is kept and what is never shown."""

from __future__ import annotations

from datetime import timedelta

import pytest
from forge_canned import HEAD, TOKEN, Canned, Reply, answering, merge_request, pull

from gitops_rollback.adapters.forges.answer import Answer
from gitops_rollback.adapters.forges.limits import CORE, GRAPH, RateLimits
from gitops_rollback.app.health import Metrics
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable
from gitops_rollback.core.pull_request import MergeMethod

GITHUB = "/repos/owner/config"
GITLAB = "/projects/owner%2Fconfig"
GET = f"GET {GITHUB}/pulls/1"
OPEN = f"POST {GITHUB}/pulls"
LIST = f"GET {GITHUB}/pulls"
FILES = f"GET {GITHUB}/pulls/1/files"
DATE = "Date: Mon, 23 Nov 2026 08:00:00 GMT"
EPOCH = 1795420800  # of that date
SPENT = ("x-ratelimit-limit: 5000", "x-ratelimit-remaining: 0", f"x-ratelimit-reset: {EPOCH + 90}", DATE)


def limited(canned: Canned, kind: str = "github") -> ForgeUnavailable:
    with pytest.raises(ForgeUnavailable) as caught:
        canned.client(kind).get(1)
    return caught.value


@pytest.mark.parametrize(
    ("reply", "seconds"),
    [
        pytest.param(Reply({"message": "API rate limit exceeded"}, 403, SPENT), 90, id="primary-403"),
        pytest.param(Reply({"message": "API rate limit exceeded"}, 429, SPENT), 90, id="primary-429"),
        pytest.param(Reply({"message": "secondary"}, 403, ("retry-after: 30", *SPENT)), 30, id="retry-after-first"),
        pytest.param(Reply({"message": "You have exceeded a secondary rate limit."}, 403), 60, id="untold"),
        pytest.param(Reply("Retry later\n", 429, ("Retry-After: 40",)), 40, id="gitlab"),
        pytest.param(Reply({"message": "x"}, 429, ("Retry-After: 99999999",)), 3600, id="never-for-ever"),
    ],
)
def test_f28_a_limit_is_told_with_its_time_and_nothing_more_is_sent(reply: Reply, seconds: float) -> None:
    with answering({GET: reply}) as canned:
        client = canned.client("github")
        for _ in range(2):
            with pytest.raises(ForgeUnavailable) as caught:
                client.get(1)
            assert seconds - 20 < caught.value.wait_seconds <= seconds
        assert len(canned.asked) == 1


def test_a_short_limit_is_waited_for() -> None:
    with answering({GET: [Reply({"message": "slow down"}, 403, ("retry-after: 1",)), Reply(pull())]}) as canned:
        assert canned.client("github").get(1).number == 1


def test_a_limit_holds_for_a_write_that_was_refused_by_it_and_sends_it_once_more() -> None:
    replies = {OPEN: [Reply({"message": "x"}, 429, ("retry-after: 1",)), Reply(pull(), 201)]}
    with answering(replies) as canned:
        canned.client("github").open("b", "main", "t", "")
        assert canned.asked.count(f"POST {GITHUB}/pulls") == 2


def test_the_last_request_that_was_free_is_known_to_be_the_last() -> None:
    with answering({GET: Reply(pull(), 200, SPENT)}) as canned:
        client = canned.client("github")
        client.get(1)
        with pytest.raises(ForgeUnavailable) as caught:
            client.get(1)
        assert 70 < caught.value.wait_seconds <= 90
        assert canned.meter.remaining == 0
        assert len(canned.asked) == 1


def test_who_is_not_told_how_long_waits_twice_as_long_each_time() -> None:
    now = 0.0
    limits = RateLimits(lambda: now)
    refusal, fine = Answer("x", 429, {}, b""), Answer("x", 200, {}, b"[]")
    waits = []
    for _ in range(7):
        assert limits.see(CORE, refusal)
        waits.append(limits.wait_seconds(CORE))
        now += limits.wait_seconds(CORE)
    assert waits == [60, 120, 240, 480, 900, 900, 900]
    assert not limits.see(CORE, fine)
    limits.see(CORE, refusal)
    assert limits.wait_seconds(CORE) == 60
    assert limits.wait_seconds(GRAPH) == 0


def test_a_missing_right_is_no_limit_and_is_named() -> None:
    headers = ("X-Accepted-GitHub-Permissions: pull_requests=write", "x-ratelimit-remaining: 4000")
    with answering({OPEN: Reply({"message": "Resource not accessible by integration"}, 403, headers)}) as canned:
        with pytest.raises(CredentialsRejected) as caught:
            canned.client("github").open("b", "main", "t", "")
        assert "pull_requests=write" in caught.value.message
        assert "not accessible" in caught.value.message


def test_what_has_not_changed_is_taken_from_memory() -> None:
    replies = {
        GET: [Reply(pull(title="first"), 200, ('ETag: "1"',)), Reply(None, 304), Reply(pull(title="new"), 200)],
        FILES: [Reply([{"filename": "a"}], 200, ('ETag: "2"', 'Link: <http://x/y?page=2>; rel="next"')), Reply([])],
    }
    with answering(replies) as canned:
        client = canned.client("github")
        assert [client.get(1).title for _ in range(3)] == ["first", "first", "new"]
        asked = [one.headers.get("if-none-match") for one in canned.server.requests]
        assert asked == [None, '"1"', '"1"']
        assert canned.meter.requests["github", "get", "304"] == 1


def test_a_write_without_an_answer_is_looked_for_and_not_sent_again() -> None:
    replies = {OPEN: Reply(cut=True), LIST: Reply([pull()]), GET: Reply(pull())}
    with answering(replies) as canned:
        assert canned.client("github").open("b", "main", "t", "").number == 1
        assert [one.split("?")[0] for one in canned.asked].count(f"POST {GITHUB}/pulls") == 1


@pytest.mark.parametrize("reply", [Reply(cut=True), Reply({"message": "Bad Gateway"}, 502)])
def test_a_write_that_is_not_found_either_is_no_success(reply: Reply) -> None:
    with answering({OPEN: reply, LIST: Reply([])}) as canned:
        with pytest.raises(ForgeUnavailable, match="did not say whether"):
            canned.client("github").open("b", "main", "t", "")
        assert [one.split("?")[0] for one in canned.asked].count(f"POST {GITHUB}/pulls") == 1


def test_a_read_is_asked_again_and_then_given_up() -> None:
    with answering({GET: Reply({"message": "x"}, 502)}) as canned:
        assert limited(canned).wait_seconds == 0
        assert len(canned.asked) == 3


def test_a_forge_that_hangs_holds_nobody_up_for_longer_than_one_request() -> None:
    with answering({GET: Reply(hangs=True)}) as canned:
        client = canned.client("github", timeout=timedelta(milliseconds=300))
        with pytest.raises(ForgeUnavailable, match="no answer within"):
            client.get(1)
        assert len(canned.asked) == 1


def test_a_server_that_says_when_to_come_back_is_left_alone_until_then() -> None:
    busy = Reply({"message": "x"}, 503, ("Retry-After: 70",))
    with answering({GET: busy, OPEN: busy}) as canned:
        client = canned.client("github")
        for ask in (lambda: client.open("b", "main", "t", ""), lambda: client.get(1)):
            with pytest.raises(ForgeUnavailable, match="left alone") as caught:
                ask()
            assert 50 < caught.value.wait_seconds <= 70
        assert len(canned.asked) == 1


def test_a_repository_that_we_may_not_see_is_said_to_be_one_of_two_things() -> None:
    with answering({"GET /user": Reply({"login": "bot"})}) as canned, pytest.raises(ForgeRefused) as caught:
        canned.client("github").facts()
    assert "no owner/config, or the account may not see it" in caught.value.message


def test_the_controllers_own_metrics_count_what_is_asked() -> None:
    metrics = Metrics()
    with answering({GET: [Reply(pull(), 200, ("x-ratelimit-remaining: 4711",)), Reply(cut=True)]}) as canned:
        canned.meter = metrics
        client = canned.client("github")
        client.get(1)
        with pytest.raises(ForgeUnavailable):
            client.get(1)
    told = {"forge": "github", "operation": "get"}
    name = "gitops_rollback_forge_requests_total"
    assert metrics.registry.get_sample_value(name, told | {"code": "200"}) == 1
    assert metrics.registry.get_sample_value(name, told | {"code": "broken"}) == 3
    left = metrics.registry.get_sample_value("gitops_rollback_forge_rate_limit_remaining", {"forge": "github"})
    assert left == 4711


def test_a_call_ends_by_its_own_deadline_however_many_requests_it_needs() -> None:
    link = f'Link: <http://x{GITHUB}/pulls/1/files?page=%d>; rel="next"'
    endless = [Reply([{"filename": str(page)}], 200, (link % (page + 1),)) for page in range(1, 500)]
    with answering({FILES: endless}) as canned:
        with pytest.raises(ForgeUnavailable, match="more than"):
            canned.client("github").changed_paths(1)
        assert len(canned.asked) == 60
        with pytest.raises(ForgeUnavailable, match=r"for one call|no answer"):
            canned.client("github", patience=timedelta(milliseconds=1)).changed_paths(1)


def test_f28_a_list_that_names_the_same_page_again_is_left() -> None:
    link = f'Link: <http://x{GITHUB}/pulls/1/files?page=2>; rel="next"'
    with answering({FILES: Reply([{"filename": "a"}], 200, (link,))}) as canned:
        with pytest.raises(ForgeUnavailable, match="again and again"):
            canned.client("github").changed_paths(1)
        assert len(canned.asked) == 2


def test_the_next_page_is_asked_at_our_own_address() -> None:
    link = 'Link: <https://elsewhere.example/evil?page=2&per_page=100>; rel="next", <https://x/?page=9>; rel="last"'
    replies = {FILES: [Reply([{"filename": "a"}], 200, (link,)), Reply([{"filename": "b"}])]}
    with answering(replies) as canned:
        assert canned.client("github").changed_paths(1) == ("a", "b")
        assert canned.asked[1] == f"GET {GITHUB}/pulls/1/files?per_page=100&page=2"


def test_gitlab_names_the_next_page_by_its_number() -> None:
    path = f"GET {GITLAB}/merge_requests/1/diffs"
    diffs = [Reply([{"old_path": "a", "new_path": "a"}], 200, ("x-next-page: 2",)), Reply([], 200, ("x-next-page: ",))]
    with answering({path: diffs}) as canned:
        assert canned.client("gitlab").changed_paths(1) == ("a",)
        assert len(canned.asked) == 2


def test_gitea_may_only_count() -> None:
    path = f"GET {GITHUB}/pulls/1/files"
    replies = {path: [Reply([{"filename": "a"}], 200, ("X-Total-Count: 2",)), Reply([{"filename": "b"}])]}
    with answering(replies) as canned:
        assert canned.client("gitea").changed_paths(1) == ("a", "b")


def test_a_moved_repository_is_told_and_not_followed() -> None:
    moved = Reply("", 301, ("Location: https://elsewhere.example/",))
    with answering({GET: moved}) as canned, pytest.raises(ForgeRefused, match=r"forge\.repository"):
        canned.client("github").get(1)


def test_no_credential_comes_back_in_an_error() -> None:
    said = Reply({"message": f"bad token {TOKEN} <b>x</b>\n\tand more"}, 422)
    with answering({GET: said}) as canned, pytest.raises(ForgeRefused) as caught:
        canned.client("github").get(1)
    assert caught.value.message == "answers 422: bad token *** <b>x</b> and more"


@pytest.mark.parametrize(
    "body", ["[" * 500 + "]" * 500, '{"number": "1"}', "[]", "null", '"x"', '{"number": 1, "head": {"sha": []}}']
)
@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_an_answer_of_a_wrong_shape_is_no_pull_request(kind: str, body: str) -> None:
    path = f"GET {GITLAB}/merge_requests/1" if kind == "gitlab" else GET
    with answering({path: Reply(body)}) as canned, pytest.raises(ForgeUnavailable):
        canned.client(kind).get(1)


@pytest.mark.parametrize("broken", [{"state": None}, {"state": "new"}, {"draft": "yes"}, {"labels": "x"}])
@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
def test_what_cannot_be_read_in_full_is_not_taken_for_closed(kind: str, broken: dict[str, object]) -> None:
    path = f"GET {GITLAB}/merge_requests/1" if kind == "gitlab" else GET
    body = merge_request(**broken) if kind == "gitlab" else pull(**broken)
    with answering({path: Reply(body)}) as canned, pytest.raises(ForgeUnavailable):
        canned.client(kind).get(1)


def test_nobody_there_is_no_unknown_outcome() -> None:
    with answering({}) as canned:
        client = canned.client("gitlab")
    with pytest.raises(ForgeUnavailable, match="gives no answer"):
        client.open("b", "main", "t", "")


def test_writes_go_one_at_a_time_and_carry_what_they_must() -> None:
    replies = {
        f"GET {GITLAB}/merge_requests/1": Reply(merge_request()),
        f"GET {GITLAB}": Reply({"merge_method": "merge", "squash_option": "default_off"}),
        f"PUT {GITLAB}/merge_requests/1/merge": Reply(merge_request(state="merged")),
    }
    with answering(replies) as canned:
        canned.client("gitlab").merge(1, HEAD, MergeMethod.MERGE, "")
        (sent,) = canned.sent(f"PUT {GITLAB}")
        assert sent == {"sha": HEAD, "squash": False}
        assert canned.server.requests[-1].headers["authorization"] == f"Bearer {TOKEN}"
