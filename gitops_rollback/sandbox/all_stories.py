"""All stories of the demo, and where each can be told."""

from __future__ import annotations

from gitops_rollback.sandbox.cascade_story import CASCADE_STORIES
from gitops_rollback.sandbox.detection_stories import DETECTION_STORIES
from gitops_rollback.sandbox.drill_stories import DRILL_STORIES
from gitops_rollback.sandbox.flux_stories import FLUX_STORIES
from gitops_rollback.sandbox.forge_stories import FORGE_STORIES
from gitops_rollback.sandbox.helm_stories import HELM_STORIES
from gitops_rollback.sandbox.image_stories import IMAGE_STORIES
from gitops_rollback.sandbox.infrastructure_story import INFRASTRUCTURE_STORIES
from gitops_rollback.sandbox.judgement_stories import JUDGEMENT_STORIES
from gitops_rollback.sandbox.migration_story import MIGRATION_STORIES
from gitops_rollback.sandbox.rollout_story import ROLLOUT_STORIES
from gitops_rollback.sandbox.stories import STORIES
from gitops_rollback.sandbox.strategy_stories import STRATEGY_STORIES
from gitops_rollback.sandbox.telling import Story
from gitops_rollback.sandbox.writer_stories import WRITER_STORIES

ALL_STORIES: tuple[Story, ...] = (
    *STORIES,
    *JUDGEMENT_STORIES,
    *DETECTION_STORIES,
    *STRATEGY_STORIES,
    *ROLLOUT_STORIES,
    *MIGRATION_STORIES,
    *CASCADE_STORIES,
    *INFRASTRUCTURE_STORIES,
    *IMAGE_STORIES,
    *WRITER_STORIES,
    *DRILL_STORIES,
    *FORGE_STORIES,
    *FLUX_STORIES,
    *HELM_STORIES,
)


def stories_of(engine: str) -> tuple[Story, ...]:
    """The stories that an engine can tell, in their order."""
    return tuple(story for story in ALL_STORIES if engine in story.engines)


def find_story(name: str, engine: str = "argocd") -> Story | None:
    """A story by its name, if this engine can tell it."""
    return next((story for story in stories_of(engine) if story.name == name), None)
