"""The engine knows the repository by another address, and our commits carry our signature: from `run` to the branch."""

from __future__ import annotations

import subprocess
from pathlib import Path

from live_world import living


def test_an_alias_makes_the_engines_address_ours_and_the_revert_is_signed(tmp_path: Path) -> None:
    key = tmp_path / "signing"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    with living(tmp_path, controller=False) as live:
        engines = live.world.url
        (live.world.directory / "mirror.git").symlink_to(live.world.bare, target_is_directory=True)
        ours = f"{live.world.git.url}/mirror.git"
        live.start_controller("--repo", ours)
        live.until(lambda: any("RepositoryMismatch" in str(line) for line in live.logged()), "it says whose it is")
        said = next(str(line) for line in live.logged() if "RepositoryMismatch" in str(line))
        assert engines in said
        assert ours in said
        assert live.stop_controller() == 0
        signing = {"GITOPS_ROLLBACK_SIGNING_KEY_FILE": str(key)}
        live.start_controller("--repo", ours, "--repo-alias", engines, **signing)
        live.fail()
        live.until_verified()
        (revert,) = live.telling.reverts()
        assert verify(live.world.bare, revert, key) == ""
        assert verify(live.world.bare, "gitops-rollback-journal", key) == ""


def verify(bare: Path, revision: str, key: Path) -> str:
    """What `git verify-commit` complains of; "" for a good signature of this key."""
    allowed = key.with_name("allowed")
    allowed.write_text(f"gitops-rollback@localhost {key.with_suffix('.pub').read_text()}")
    config = ["-c", "gpg.format=ssh", "-c", f"gpg.ssh.allowedSignersFile={allowed}"]
    done = subprocess.run(
        ["git", "--git-dir", str(bare), *config, "verify-commit", revision], capture_output=True, text=True, check=False
    )
    good = 'Good "git" signature for gitops-rollback@localhost' in done.stderr
    return "" if done.returncode == 0 and good else done.stderr or "not signed"
