"""What do clones and journals tell an engine that forgets?"""

from __future__ import annotations

from datetime import timedelta

from app_world import START, World, running

from gitops_rollback.app.past import GitPast
from gitops_rollback.core.sync import ApplicationId
from gitops_rollback.ports import DecisionEntry, JournalView

CART = ApplicationId("flux", "Kustomization", "shop", "cart")
OTHER = "https://elsewhere.example/x"
MINUTE = timedelta(minutes=1)


def said(minute: int, revision: str, application: ApplicationId = CART) -> DecisionEntry:
    return DecisionEntry(START + minute * MINUTE, str(application), "leave", "Quiet", revision, "")


def test_an_application_bears_the_names_that_the_journal_gave_it_oldest_first() -> None:
    one, two, release = "1" * 40, "2" * 40, ApplicationId("flux", "HelmRelease", "shop", "cart")
    entries = (said(3, two), said(1, one), said(2, one), said(4, ""), said(5, two, release))
    past = GitPast()
    past.see("shop/config", JournalView("a", {}, entries))
    assert past.names(CART) == ((START + MINUTE, one), (START + 3 * MINUTE, two))
    assert past.names(release) == ((START + 5 * MINUTE, two),)
    past.see("shop/config", JournalView("b", {}, ()))
    assert past.names(CART) == ()


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
