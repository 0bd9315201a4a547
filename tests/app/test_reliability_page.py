"""docs/reliability.md names, for each promise, tests that are in the suite."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROMISES = 26

_ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+) \|$", re.MULTILINE)
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:::(\w+))?`")


def rows() -> dict[int, tuple[str, str]]:
    """Each promise's number with its words and what shows it."""
    found = _ROW.findall((ROOT / "docs" / "reliability.md").read_text())
    numbered = {int(number): (promise, shown) for number, promise, shown in found}
    assert len(numbered) == len(found), "a promise stands there twice"
    return numbered


def has_test(file: Path, names: list[str]) -> bool:
    """Whether a file has a test function of this name, or a class with one, that is never left out."""
    body = ast.parse(file.read_text()).body
    for name in names:
        found = [
            node for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found or any("skip" in ast.unparse(mark) for mark in found[0].decorator_list):
            return False
        body = found[0].body
    return names[-1].startswith("test_") or any(
        isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in body
    )


def test_every_promise_is_there() -> None:
    assert sorted(rows()) == list(range(1, PROMISES + 1))


@pytest.mark.parametrize("number", range(1, PROMISES + 1))
def test_a_promise_names_its_tests(number: int) -> None:
    promise, shown = rows()[number]
    tests = _TEST.findall(shown)
    assert tests, f"nothing shows {promise!r}"
    assert shown.count("tests/") == len(tests), f"not the name of a test: {shown}"
    for file, *names in tests:
        wanted = [name for name in names if name]
        assert (ROOT / file).is_file(), file
        assert has_test(ROOT / file, wanted), f"{file} has no {'::'.join(wanted)}"
