"""What is released: does it build from its own source, install into nothing, start, and name what it is made of?"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from gitops_rollback import __version__

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = [name for name in PROJECT["optional-dependencies"] if name != "dev"]


def pinned() -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9_.-]+)==([^\s;]+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of a fresh environment with the wheel in it, which was built from the unpacked source distribution."""
    folder = tmp_path_factory.mktemp("packages")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder], check=True, cwd=ROOT)
    with tarfile.open(folder / f"gitops_rollback-{__version__}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    source = folder / f"gitops_rollback-{__version__}"
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], check=True, cwd=source)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"])
    return folder / "venv" / "bin"


@pytest.mark.parametrize("program", PROJECT["scripts"])
def test_each_program_starts_from_the_wheel_alone(installed: Path, tmp_path: Path, program: str) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [installed / program, "version"], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert __version__ in done.stdout
    assert "usage" not in done.stderr


def test_what_it_needs_beside_its_code_is_in_the_wheel(installed: Path) -> None:
    (site,) = (installed.parent / "lib").glob("python*/site-packages")
    package = site / "gitops_rollback"
    assert package.is_dir()
    for name in ("sandbox/scenarios/shop", "deploy/base/rbac.yaml", "deploy/components", "py.typed"):
        assert (package / name).exists(), name
    (about,) = site.glob("gitops_rollback-*.dist-info")
    assert (about / "licenses" / "LICENSE").exists()
    assert set(re.findall(r"Provides-Extra: (\S+)", (about / "METADATA").read_text())) >= set(EXTRAS)


def test_every_package_that_is_needed_is_pinned_within_what_is_asked_for() -> None:
    versions = {canonicalize_name(name): version for name, version in pinned().items()}
    asked = [*PROJECT["dependencies"], *(one for name in EXTRAS for one in PROJECT["optional-dependencies"][name])]
    for requirement in map(Requirement, asked):
        version = versions.get(canonicalize_name(requirement.name))
        assert version is not None, (
            f"{requirement.name} is not in constraints.txt, whose first lines say how it is made"
        )
        assert requirement.specifier.contains(version)


def test_every_pin_has_hashes() -> None:
    text = re.sub(r"^#.*\n", "", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    for entry in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in entry, entry.split()[0]


def test_the_release_builds_checks_and_says_what_is_in_it() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = [step for job in release["jobs"].values() for step in job["steps"]]
    told = "\n".join(str(step) for step in steps)
    for wanted in (
        "hatchling build",
        "pip-audit",
        "cyclonedx-py",
        "constraints.txt",
        "deploy/Dockerfile",
        "helm package",
    ):
        assert wanted in told, wanted
    assert all("@" in step["uses"] for step in steps if "uses" in step)
    assert release["permissions"] == {"contents": "read"}


def test_the_changes_name_this_version_first() -> None:
    found = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert found[0] in (__version__, "Unreleased")
    assert __version__ in found
