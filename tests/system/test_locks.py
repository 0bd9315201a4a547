"""The locked lists hold what pyproject.toml asks for, by hash, and name no place to download from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUNTIME = [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]]
POSTGRES = [*RUNTIME, *PROJECT["project"]["optional-dependencies"]["postgres"]]
DEV = [*RUNTIME, *PROJECT["project"]["optional-dependencies"]["dev"]]

PIN = re.compile(r"([a-z0-9-]+)==(\S+)( ; .+)? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def pins(name: str) -> dict[str, str]:
    """The version of each package in a list; fails on a line that is no pin, hash or comment."""
    found = {}
    for line in (ROOT / name).read_text().splitlines():
        if pin := PIN.fullmatch(line):
            found[pin[1]] = pin[2]
        else:
            assert HASH.fullmatch(line) or line.lstrip().startswith("#") or not line, line
    return found


LISTS = {"requirements.txt": RUNTIME, "requirements-postgres.txt": POSTGRES, "requirements-dev.txt": DEV}


@pytest.mark.parametrize(("name", "asked"), LISTS.items())
def test_list_holds_what_the_project_asks_for(name: str, asked: list[str]) -> None:
    locked = pins(name)
    for requirement in map(Requirement, asked):
        version = locked.get(canonicalize_name(requirement.name))
        assert version, f"{requirement.name} is missing: run make lock"
        assert version in requirement.specifier, f"{requirement} is not met by {version}: run make lock"


def test_the_lists_agree() -> None:
    assert pins("requirements.txt").items() <= pins("requirements-postgres.txt").items()
    assert pins("requirements-postgres.txt").items() <= pins("requirements-dev.txt").items()


@pytest.mark.parametrize("name", LISTS)
def test_list_names_no_place(name: str) -> None:
    assert not re.search(r"://|index-url|find-links|trusted-host", (ROOT / name).read_text())
