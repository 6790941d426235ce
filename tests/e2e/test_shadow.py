"""Does a shadow beside the leader decide the same, write nothing, and does the comparison say so?"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from live_world import NO_POLLS, POLICY_PATH, living, patient_policy

from gitops_rollback.sandbox.world import REPOSITORY, run_command


def test_a_shadow_writes_nothing_and_is_compared_with_the_leader(tmp_path: Path) -> None:
    shadows = tmp_path / "shadow"
    with living(tmp_path, timing=NO_POLLS, policies={POLICY_PATH: patient_policy()}) as live:
        environment = live.world.environment(shadows)
        with (tmp_path / "shadow.log").open("wb") as log:
            shadow = subprocess.Popen(
                [*run_command(), "--shadow"], env=environment, stdout=log, stderr=log, cwd=tmp_path
            )
        try:
            live.until(lambda: bool(list(shadows.glob("*.decisions.jsonl"))), "the shadow has decided something")
            live.fail()
            live.until_verified()
        finally:
            shadow.terminate()
            assert shadow.wait(30) == 0
        assert len(live.telling.reverts()) == 1
        pushed = {one.ref for one in live.world.git.updates(f"{REPOSITORY}.git")}
        assert pushed == {"refs/heads/main", "refs/heads/gitops-rollback-journal"}
        same = live.verb("report", "--compare", "--observed", str(shadows), "-o", "json")
        found = same.document
        (compared,) = found.values()
        assert (same.code == 0) is (compared["differences"] == []), same
        assert compared["same"] + len(compared["differences"]) == 1, same
        # Another build, by its own word: it would have asked.
        (file,) = shadows.glob("*.decisions.jsonl")
        lines = [json.loads(line) for line in file.read_text().splitlines()]
        other = dict(lines[-1], action="ask", reason="NoLastGood", revision=live.telling.bad)
        file.write_text(file.read_text() + json.dumps(other) + "\n")
        differs = live.verb("report", "--compare", "--observed", str(shadows))
        assert differs.code == 1
        assert "ask NoLastGood" in differs.out
