"""Where is each known attack tried? Every one of the twenty names its tests, or says why there is none yet.

A name is a test function or the id of one of its cases. It must stand in the tests, so that no row outlives its test.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent

TRIED = {
    "A1": ("test_a1_a_bad_image_does_not_bring_the_policy_that_judges_it",
           "test_a_policy_that_came_with_the_bad_image_goes_back_with_it"),
    "A2": ("A2-every-application", "A2-path-outside",
           "test_a_policy_that_names_another_tenants_application_does_nothing_and_says_so"),
    "A3": ("test_no_spelling_of_an_inside_address_is_reached",
           "test_a_name_that_resolves_elsewhere_a_moment_later_changes_nothing",
           "test_a_redirect_is_never_followed_and_its_target_never_told"),
    "A4": ("A4-query-in-a-name", "test_a_hostile_name_stays_inside_its_string"),
    "A5": ("A5-regex-in-a-name", "test_a_value_is_escaped_for_where_it_stands"),
    "A6": ("test_branch_names_that_git_has", "test_branch_names_that_git_cannot_have"),
    "A7": ("test_dangerous_urls_are_refused_without_repeating_them", "test_only_listed_protocols_are_spoken"),
    "A8": ("P25-A8-symlink", "test_it_stands_in_the_whole_tree_and_sees_nothing_that_leads_out_of_it"),
    "A9": ("test_a9_words_and_trailers_of_a_rollback_protect_no_commit",
           "test_a_forged_revert_of_a_person_is_judged_by_its_contents"),
    "A10": ("test_a10_who_does_not_prove_the_token_changes_nothing",
            "test_a10_who_does_not_prove_the_secret_changes_nothing", "test_a10_another_secret_or_none_is_refused",
            "test_a10_another_body_is_refused_where_the_body_is_signed"),
    "A11": ("test_a11_a_delivery_that_is_played_back_is_worth_no_second_look",
            "test_a11_a_signed_time_is_good_for_five_minutes",
            "test_a11_a_day_later_it_may_mean_one_more_look_and_no_second",
            "test_a11_what_happened_long_ago_is_worth_none_either_after_a_restart"),
    "A12": ("test_a12_a_huge_body_is_refused_unread_and_costs_no_memory",
            "test_a12_a_body_that_does_not_come_is_given_up"),
    "A13": ("test_p23_a_merge_bomb_is_refused_before_it_is_built",),
    "A14": ("test_a14_an_application_that_cannot_be_read_is_set_aside_alone_also_after_a_restart",
            "test_what_is_broken_beside_it_neither_stops_nor_delays_a_rollback"),
    "A15": ("test_a15_nobody_else_may_at_any_door", "test_a15_our_own_words_are_no_command",
            "test_a15_a_machine_asks_for_nothing", "A15-fork",
            "test_a15_nobody_else_is_obeyed_and_each_is_told_why",
            "test_a15_who_may_not_write_is_answered_and_not_planned_for",
            "test_a15_a_fork_is_answered_and_its_branch_is_left_alone",
            "test_a15_whoever_is_no_trusted_proxy_can_say_of_nobody_who_they_are",
            "test_a15_what_the_forge_says_of_a_login_counts_more_than_the_settings"),
    "A16": ("test_a16_only_the_head_that_was_seen_lands", "test_a16_an_edited_comment_is_no_command",
            "A16-nothing-seen", "test_a16_an_approval_of_another_head_is_asked_again",
            "test_a16_what_is_pushed_after_the_approval_is_not_merged_by_it",
            "test_a16_what_is_pushed_onto_the_plan_is_judged_anew",
            "test_a16_a_rollback_that_would_change_something_else_by_now_is_not_done"),
    "A17": ("test_a17_a_faked_series_cannot_force_a_version_below_the_floor",),
    "A18": ("test_no_secret_is_written_or_said_anywhere", "test_no_secret_reaches_the_log_whatever_it_hides_in",
            "test_messages_hold_no_secret_and_no_terminal_trick", "test_it_sees_nothing_of_our_environment",
            "test_a_command_holds_no_secret_since_commits_name_it"),
    "A19": ("test_foreign_text_stays_one_harmless_line", "test_a_strangers_text_mentions_nobody_and_moves_nothing",
            "test_foreign_text_is_cut_at_200_characters"),
    "A20": ("test_a20_a_bad_tag_that_is_written_back_fifty_times_is_undone_once_and_then_held",
            "test_a20_the_stop_switch_is_read_from_its_own_places_only"),
}  # fmt: skip

NOT_YET: dict[str, str] = {}


def test_every_attack_is_tried_or_says_why_not() -> None:
    assert set(TRIED) | set(NOT_YET) == {f"A{number}" for number in range(1, 21)}
    assert not set(TRIED) & set(NOT_YET)


@pytest.mark.parametrize("attack", TRIED)
def test_the_tests_of_an_attack_are_there(attack: str) -> None:
    texts = "\n".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py") if path != Path(__file__))
    for name in TRIED[attack]:
        pattern = rf"^def {name}\(" if name.startswith("test_") else rf'id="{name}"'
        assert re.search(pattern, texts, re.MULTILINE), f"{attack}: {name} is gone"
