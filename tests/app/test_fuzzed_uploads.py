"""Spoilt uploads of every format are read or refused; `make fuzz N=1000000` reads as many as one likes."""

import json
from collections import Counter
from pathlib import Path

import pytest
from fuzz_uploads import HERE, IN_A_CHILD, fuzz, is_fine, outcome
from mutations import SEEDS, mutated

from app.children import start_fork_server
from app.datasets.runner import read_table

pytestmark = pytest.mark.slow  # thousands of files

COUNT = 300  # of each format
SEED = 20


@pytest.fixture(scope="module", autouse=True)
def _fork_server() -> None:
    start_fork_server()


@pytest.mark.parametrize("format_", [*IN_A_CHILD, *HERE])
def test_spoilt_uploads_are_read_or_refused(format_: str) -> None:
    findings: list[tuple[str, int, str]] = []
    counts = fuzz((format_,), SEED, COUNT, lambda *found: findings.append(found))[format_]
    assert findings == []
    assert counts.total() == COUNT
    assert counts["read"] > 0
    assert counts["refused"] > COUNT / 2  # the mutations reach what is checked


@pytest.mark.parametrize("format_", SEEDS)
def test_the_seeds_are_read_or_hold_what_is_not_read(format_: str, tmp_path) -> None:
    found = Counter(outcome(format_, seed, tmp_path) for seed in SEEDS[format_])
    assert set(found) <= {"read", "refused"}
    assert found["read"] >= len(SEEDS[format_]) / 2


def test_spoilt_uploads_can_be_made_again() -> None:
    assert [mutated("csv", 1, i) for i in range(20)] == [mutated("csv", 1, i) for i in range(20)]
    assert len({mutated("csv", 1, i) for i in range(20)}) > 15


def test_a_finding_is_told(monkeypatch, tmp_path) -> None:
    """The check can fail: an exception that is no refusal, and a file left behind, are findings."""

    def broken(*args: object) -> None:
        raise ValueError("year 0 is out of range")

    def untidy(source: Path, *args: object) -> None:
        (source.parent / "forgotten").touch()

    monkeypatch.setattr("fuzz_uploads.read_table", broken)
    assert outcome("csv", b"a\n1\n", tmp_path) == "ValueError: year 0 is out of range"
    monkeypatch.setattr("fuzz_uploads._read_file", lambda _, __, folder: untidy(folder / "upload"))
    assert outcome("csv", b"a\n1\n", tmp_path) == "left behind: forgotten"
    assert not is_fine("csv", "ValueError: year 0 is out of range")
    assert is_fine("csv", "died")
    assert not is_fine("gzip", "died")


@pytest.mark.parametrize(
    ("text", "kind"),
    [("0000-01-01", "categorical"), ("9999-12-31T23:59:59-01:00", "categorical"), ("0001-01-01", "datetime")],
)
def test_times_outside_the_calendar_are_words(tmp_path, text: str, kind: str) -> None:
    """Found by `make fuzz`: Python has no such times, and their profile could not be written."""
    (tmp_path / "upload").write_text(f"when\n{text}\n")
    report = read_table(tmp_path / "upload", "csv", tmp_path / "table.arrow")
    assert json.loads(json.dumps(report))["columns"][0]["type"] == kind
