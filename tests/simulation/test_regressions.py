"""Simulated worlds in which a promise was broken once, each with a line that says what went wrong: they stay right."""

from __future__ import annotations

import pytest

from gitops_rollback.sandbox.simulation.running import run, told

# Worlds in which something went wrong once: (scenario, seed) -> what it was.
REGRESSIONS = {
    ("race", 59): "a plan of a look that came late was pushed on the head of an earlier tick",
    ("blind", 40136): "a look that came late was acted on, though a newer one had found no data",
    ("zombie", 40007): "a stop that was read while the journal was written held nobody",
    ("zombie", 40131): "what was quiet when the process stood still was called verified when it went on",
    ("zone", 50039): "an outage that came back within minutes was taken for an old trouble, and a commit was blamed",
    ("fleet", 400008): "a look at thirty applications took longer than it was good for, and no deadline was ever seen",
    ("region", 400097): "the branch had our commit by another replica; its journal's refusal was taken for success",
    ("people", 400118): "a commit whose journal was refused went alone, past a stop that had been read meanwhile",
    ("all", 60165): "a quiet tick within a `for` was not answered, and nobody read it back before a rollback",
    ("all", 103600): "a rollback for an incident was booked on applications that a person had put back already",
    ("regretted", 500122): "what was taken back to a state that had been landed again passed for known ground",
    ("zombie", 500057): "a rollback went without its record, though the journal took entries again",
    ("all", 40121): "a region was out behind a metric source that was down, and a commit was blamed",
    ("mid-push", 60029): "a verification was checked as of the word of a clock that was wrong",
    ("all", 100178): "a page about a newer deployment was dropped while an older plan waited for a word",
    ("all", 102182): "the engine did not follow what a person had taken back, and nobody was told",
    ("region", 0): "a fault began under a sync that the engine no longer told, and nobody was told",
    ("all", 3854): "a rollback by one application's policy was judged by that of another one that it joined",
    ("all", 4114): "a sync that another replica asked for was forgotten when the engine showed an older state",
    ("all", 4177): "applications that one rollback had just dealt with were counted as so many events of their own",
    ("all", 4584): "a sync was asked for on a look that a newer word of the engine overtook, which nobody can help",
    ("all", 5299): "a look that came too late to tell what it had seen counted as the last one that was needed",
    ("all", 6043): "an older state that the engine showed late was taken for its newest word",
    ("all", 7435): "an outage that followed a minute of quiet was taken for an old trouble, and a commit was blamed",
    ("all", 600096): "a clock was set back an hour, and the calm that it had begun ahead was waited for until then",
    ("all", 200338): "a clock was an hour ahead, so no metrics were there, and an outage went for one commit's damage",
    ("all", 200657): "what no policy names was counted among those that are red, though nobody can know",
    ("all", 202821): "a fault that people knew went away with the next sync and came back, and nobody was told",
    ("overlays", 930016): "the first policy that there was did not say by its window how far back the blame reaches",
    ("mid-push", 60032): "faults that began during a mass event were named to nobody once it was over",
    ("all", 60388): "what a person had left of a bad release's commit, its policy, was undone as a rollback of its own",
    ("fleet", 60009): "of two controllers one synced again what the other one had synced just before",
    ("mid-push", 3): "who was cured and red again was left out of a mass event, which held everything without a page",
    ("flux", 2044): "a deployment that bore the name of a later commit was taken for one that came after the fault",
    ("flux", 5179): "a comment in a file was taken for a deployment, which Flux does not do",
    ("flux", 12009): "a fault that began under another one was looked for at a later commit with the same content",
    ("forge-points", 12): "a pull request's branch was pushed though the journal had refused its record",
    ("requests", 13): "a request that was merged by rebase, apart from its revert, was taken for something else",
    ("image-automation", 1111): "a wait for health that was tried again was dated by its last try",
    ("pull-request", 99): "of two controllers that made a plan at once, one pushed its head beside that of the other",
    ("forge-points", 61): "a release from before a plan was taken for its landing, since it had left what comes back",
    ("pull-request", 142): "a process stood still in a calm world, and a pull request that was closed was never seen",
    ("requests", 8): "people were told that somebody had pushed what another replica's record did not tell yet",
    ("requests", 34): "a request that was merged when there was nothing to undo took back what came minutes later",
    ("requests", 64): "of a branch that was read alone the journal's newer head was taken, which nobody had asked for",
    ("requests", 79): "who did by hand what a request asks for was taken for its landing, though it was still open",
    ("forks", 74): "what a person had asked for was pushed though something newer had been deployed since the look",
    ("flux", 2147): "a policy that a suspect had brought was held against a rollback that left this suspect alone",
    ("requests", 700043): "a request that a person had closed, after a push of theirs, was opened once more",
    ("all", 13915): "the metrics did not say at once since when several syncs had been bad, and nobody was told",
    ("fleet", 710009): "what another replica had synced was synced again by a look that was eleven seconds old",
    ("forge-points", 457): "who waited for another one's plan was told that it had been rolled back before",
    ("requests", 820000): "a request that was merged before its plan was there kept the controller from acting",
    ("requests", 810011): "what landed just before somebody asked for a rollback was taken back with it",
    ("next-plans", 810014): "a pause was written as if there were none, though the branch of pauses had been read",
    ("next-plans", 710018): "an incident's pull request went by the policy of an application that did not speak for it",
    ("weights", 2): "a plan ended between two steps, and people were not told where the branch stood",
    ("weights", 5088): "a process died between writing a mass event and telling it, and no other told it",
    ("overlays", 3000009): "a rollback of a shared base deployed what waited for a person elsewhere",
    ("cascade", 16): "a cascade ended half way for a conflict, and people were not told how it ends safely",
    ("cascade", 31): "what another plan was still to take back counted as gone, so what needed it lost it",
    ("cascade", 47): "an application of the culprit's that had changed again since was left without what it called",
    ("cascade", 940115): "a person had agreed that two go back by one commit, which the check did not allow",
    ("migration", 51): "a plain revert ended on a list that half a rollback had left, and ran its Job under traffic",
    ("migration", 920004): "what moved data had been taken off the branch by hand, and went back without a word",
    ("migration", 910138): "rows were counted before the Job that lost them had ended, and old code came back to them",
    ("migration", 910017): "who suspended the policy with data moved back half way did not hear how it ends safely",
    ("migration", 920105): "a release brought no reverse of its own, and that of the one before was run for it",
    ("migration", 920141): "the same, where the word was given on a plan that no guard called a migration",
    (
        "migration",
        920169,
    ): "a person stopped the traffic after the last step, and it was called verified with nobody served",
    ("migration", 940181): "who had taken over a plan half way was put back to that by a rollback without a word",
    ("infrastructure", 940063): "an object whose deletion hung was not shown any more, and its run was called over",
    (
        "infrastructure",
        940096,
    ): "an object was changed again while the run that an earlier rollback had caused was open",
    (
        "infrastructure",
        940011,
    ): "who had been left without what it calls got it again, and lost it by the next rollback",
    ("infrastructure", 5): "a step of a cascade went while the run that the one before it had caused was open",
}


@pytest.mark.parametrize(("scenario", "seed"), REGRESSIONS, ids=lambda value: str(value))
def test_what_went_wrong_once_stays_right(scenario: str, seed: int) -> None:
    result = run(seed, scenario)
    assert not result.violations, told(result)
