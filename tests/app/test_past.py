"""What do clones and journals tell an engine that forgets?"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from app_world import START, World, running

from gitops_rollback.app.past import GitPast
from gitops_rollback.core.sync import ApplicationId, Judged
from gitops_rollback.ports import DecisionEntry, JournalView

CART = ApplicationId("flux", "Kustomization", "shop", "cart")
OTHER = "https://elsewhere.example/x"
MINUTE = timedelta(minutes=1)


def said(minute: int, revision: str, application: ApplicationId = CART, **details: dict[str, object]) -> DecisionEntry:
    return DecisionEntry(START + minute * MINUTE, str(application), "leave", "Quiet", revision, "", details)


def test_an_application_bears_the_names_that_the_journal_gave_it_oldest_first() -> None:
    one, two, release = "1" * 40, "2" * 40, ApplicationId("flux", "HelmRelease", "shop", "cart")
    entries = (said(3, two), said(1, one), said(2, one), said(4, ""), said(5, two, release))
    past = GitPast()
    past.see("shop/config", JournalView("a", {}, entries))
    assert past.judged(CART) == (Judged(START + MINUTE, one), Judged(START + 3 * MINUTE, two))
    assert past.judged(release) == (Judged(START + 5 * MINUTE, two),)
    past.see("shop/config", JournalView("b", {}, ()))
    assert past.judged(CART) == ()


def test_the_journal_tells_when_what_ran_had_begun_where_that_can_be_read() -> None:
    one = "1" * 40
    entries = (
        said(1, one, sync={"revisions": [one], "startedAt": "2026-11-23T08:59:12Z"}),
        said(2, one, sync={"startedAt": "2026-11-23T08:59:12Z"}),
        said(3, one, sync={"startedAt": "some day"}),
        said(4, one, rollback={}),
    )
    past = GitPast()
    past.see("shop/config", JournalView("a", {}, entries))
    began = datetime(2026, 11, 23, 8, 59, 12, tzinfo=UTC)
    assert past.judged(CART) == (Judged(START + MINUTE, one, began), Judged(START + 3 * MINUTE, one))


def test_git_answers_for_its_own_repository_and_elsewhere_nobody_does(world: World) -> None:
    running(world, "web", "cart")
    old = world.head()
    new = world.people.push("Another", {"apps/web/more.yaml": "kind: ConfigMap\n"}, START)
    repo, past = world.clone("past"), GitPast()
    assert not past.is_older(old, new)
    past.add(repo, ("https://git.example.com/shop/config",))
    assert not past.is_older(old, new), "nothing was fetched yet"
    repo.fetch()
    assert past.is_older(old, new)
    assert not past.is_older(new, old)
    assert not past.is_older(old, old)
    assert past.differs("https://git.example.com/shop/config.git", "apps/web", old, new)
    assert not past.differs("https://git.example.com/shop/config.git", "apps/cart", old, new)
    assert past.differs(OTHER, "apps/cart", old, new)
    repo.close()
