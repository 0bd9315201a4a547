"""Whether conformal sets and intervals hold the truth as often as they say.

    python benchmarks/coverage.py [--splits N] [--only TEXT] [--results PATH] [--write] [--strict]

Rows that the engine never sees are drawn from each data set anew for every split; the others are parted by the engine
into those that train, that validate (they choose the epoch and the temperature) and that calibrate. How often the sets
and intervals of the predictions hold the truth is counted here. For a coverage c that is asked for and n calibration
rows the mean over the splits is to lie between c - 0.01 and c + 0.01 + 1 / (n + 1). It does not depend on how good the
model is, so a small one trains for a few epochs. --write puts the table into docs/accuracy.md. With --strict a missed
bar ends with exit code 1.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)  # not this folder, whose engine.py is another

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from benchmarks.tables.data import SOURCES, Problem  # noqa: E402 - the path is right only now
from benchmarks.tables.page import put  # noqa: E402
from engine.fitting import Fitting, Table  # noqa: E402
from engine.goal import GoalSpec  # noqa: E402
from engine.training import TrainingSpec  # noqa: E402
from engine.training.apart import RowsApart  # noqa: E402

RESULTS = ROOT / "build" / "coverage.jsonl"
START, END = "<!-- coverage: written by benchmarks/coverage.py -->", "<!-- end of coverage -->"
NAMES = ("penguins", "breast cancer", "orange juice", "diabetes", "college")
COVERAGES = (0.8, 0.9, 0.95)
UNSEEN = 0.25
CALIBRATION = 0.35
EPOCHS = 6


@dataclass(frozen=True)
class Counted:
    """The predictions of one split at one coverage."""

    dataset: str
    split: int
    coverage: float
    calibration: int
    held: float  # share of the rows whose truth is in its set or interval


@dataclass(frozen=True)
class Row:
    """All splits of a data set at one coverage."""

    dataset: str
    coverage: float
    calibration: int
    splits: int
    mean: float
    error: float  # standard error of the mean, were the splits independent

    @property
    def most(self) -> float:
        """The bar above."""
        return self.coverage + 0.01 + 1 / (self.calibration + 1)

    @property
    def met(self) -> bool:
        """Whether the mean lies between the bars."""
        return self.coverage - 0.01 <= self.mean <= self.most


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--only", default="", help="data sets with this in their name")
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--write", action="store_true", help="write into docs/accuracy.md")
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a bar is missed")
    options = parser.parse_args()
    options.results.parent.mkdir(parents=True, exist_ok=True)
    counted: list[Counted] = []
    with options.results.open("w") as file, threadpool_limits(1):
        for source in SOURCES:
            if source.name in NAMES and source.there and options.only in source.name:
                problem = source.load()
                for split in range(options.splits):
                    for one in tried(problem, split):
                        counted.append(one)
                        file.write(json.dumps(asdict(one)) + "\n")
                for row in rows_of([one for one in counted if one.dataset == source.name]):
                    print(told(row))
    rows = list(rows_of(counted))
    if options.write:
        put("\n".join(_table(rows)), START, END)
    return 0 if all(row.met for row in rows) or not options.strict else 1


def tried(problem: Problem, split: int) -> Iterator[Counted]:
    """Train on some rows, and count on the others."""
    frame, target = problem.table.frame, problem.source.target
    drawn = np.random.default_rng(split).permutation(frame.height)
    unseen, seen = np.split(drawn, [round(UNSEEN * frame.height)])
    recipe = TrainingSpec(
        epochs=EPOCHS, seed=split, calibration=RowsApart(fraction=CALIBRATION), baselines="none"
    )
    goal = GoalSpec(target=target, quality="fast", task="auto" if problem.source.classes else "regression")
    fitting = Fitting(Table(frame[np.sort(seen)], problem.table.types), goal, None, recipe)
    for _ in fitting.run():
        pass
    model = fitting.settled(fitting.model)
    rows = frame[np.sort(unseen)]
    for coverage in COVERAGES:
        predictions = model.predict(rows.drop(target), coverage)
        held = [
            _holds(prediction, truth) for prediction, truth in zip(predictions, rows[target], strict=True)
        ]
        yield Counted(
            problem.source.name, split, coverage, fitting.plan.rows.calibration, float(np.mean(held))
        )


def _holds(prediction: dict[str, object], truth: object) -> bool:
    """Whether a prediction's set or interval holds the truth."""
    if "set" in prediction:
        return truth in prediction["set"]
    interval = prediction["interval"]
    if interval["low"] is None:
        return True
    return interval["low"] <= truth <= interval["high"]


def rows_of(counted: list[Counted]) -> Iterator[Row]:
    """The means over splits."""
    if not counted:
        return
    frame = pl.DataFrame([asdict(one) for one in counted])
    grouped = frame.group_by("dataset", "coverage", maintain_order=True)
    for (dataset, coverage), group in grouped:
        held = group["held"].to_numpy()
        yield Row(
            dataset=str(dataset),
            coverage=float(coverage),
            calibration=int(group["calibration"].min()),
            splits=len(held),
            mean=float(held.mean()),
            error=float(held.std(ddof=1) / np.sqrt(len(held))) if len(held) > 1 else 0.0,
        )


def told(row: Row) -> str:
    verdict = "met" if row.met else "MISSED"
    return (
        f"{row.dataset:<14} asked {row.coverage:.2f}, held {row.mean:.4f} +- {row.error:.4f} "
        f"({row.coverage - 0.01:.3f} to {row.most:.3f}: {verdict}), {row.calibration} calibration rows, "
        f"{row.splits} splits"
    )


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| data set | calibration rows | splits | asked | held, mean of the splits | allowed | |"
    yield "|---|---:|---:|---:|---:|---|---|"
    for row in rows:
        yield (
            f"| {row.dataset} | {row.calibration} | {row.splits} | {row.coverage:.2f} | {row.mean:.4f} "
            f"| {row.coverage - 0.01:.3f} to {row.most:.3f} | {'met' if row.met else '**missed**'} |"
        )


if __name__ == "__main__":
    sys.exit(main())
