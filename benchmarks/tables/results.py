"""The results of a benchmark, one line of JSON each, written as they come, so that a run can go on after a stop."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Result:
    """How a contestant did on one split of a data set."""

    dataset: str
    split: int
    contestant: str
    error: float  # share of wrong answers, or root of the mean squared error
    constant: float  # the error of one answer for all rows: the most frequent class, or the mean
    log_loss: float | None
    seconds: float  # of the processor, to learn and to answer
    rows: int
    columns: int
    categories: int
    missing: int


def kept(path: Path) -> list[Result]:
    """The results so far; a last line that a stop has cut is left out."""
    return list(_read(path)) if path.exists() else []


def _read(path: Path) -> Iterator[Result]:
    names = {field.name for field in fields(Result)}
    for line in path.read_text().splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        yield Result(**{name: entry[name] for name in names})


def keep(path: Path, result: Result) -> None:
    """Add a result."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(asdict(result)) + "\n")
