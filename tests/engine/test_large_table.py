"""A table that stays in its file, and rows that are mapped from one: the same bits as all of it in memory."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from engine import appraisal, fitting, large_table, partition
from engine.checkpoint import Checkpoint
from engine.encoding import ColumnType
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.large_table import LargeTable, TableFile
from engine.network import NetworkSpec
from engine.room import Room
from engine.training import TrainingSpec, shuffling

ROWS = 3000
RNG = np.random.default_rng(3)
X = RNG.normal(size=(ROWS, 3))
GAPS = pl.Series(RNG.random(ROWS) < 0.1)
FRAME = pl.DataFrame(
    {
        "a": pl.Series(X[:, 0]).zip_with(~GAPS, pl.Series([None], dtype=pl.Float64)),
        "^b$": X[:, 1],
        "colour": RNG.choice(["red", "green", "blue"], ROWS),
        "flag": RNG.random(ROWS) < 0.5,
        "when": pl.Series(RNG.permutation(ROWS) * 86_400_000_000).cast(pl.Datetime("us")),
        "person": RNG.integers(0, 300, ROWS),
        "weight": RNG.random(ROWS) + 0.5,
        "y": X @ [1.0, -2.0, 0.5] + 0.1 * RNG.normal(size=ROWS),
        "kind": pl.Series(np.where(X[:, 0] > 0, "up", "down")).zip_with(
            pl.Series(RNG.random(ROWS) < 0.98), pl.Series([None], dtype=pl.String)
        ),
    }
)
TYPES: dict[str, ColumnType] = dict(
    zip(
        FRAME.columns,
        [
            "numeric",
            "numeric",
            "categorical",
            "boolean",
            "datetime",
            "numeric",
            "numeric",
            "numeric",
            "categorical",
        ],
        strict=True,
    )
)
NETWORK = NetworkSpec.model_validate(
    {"layers": [{"kind": "dense", "units": 8}, {"kind": "relu"}, {"kind": "dense"}]}
)
TRAINING = {"epochs": 2, "batch_size": 64, "shuffle": "block"}
CASES = {
    "regression": (GoalSpec(target="y"), {"test": {"fraction": 0.1}, "calibration": {"fraction": 0.1}}),
    "a weight": (GoalSpec(target="y", sample_weight="weight"), {}),
    "classes": (GoalSpec(target="kind", scaling="quantile"), {"class_weights": "balanced"}),
    "groups": (
        GoalSpec(target="kind", categories="by_size"),
        {"validation": {"kind": "fraction", "group": "person"}},
    ),
    "times": (GoalSpec(target="y"), {"validation": {"kind": "fraction", "time": "when"}}),
    "reconstruction": (GoalSpec(target=None, features=("a", "^b$", "colour")), {}),
    "no validation": (GoalSpec(target="y", features=("a",)), {"validation": {"kind": "none"}}),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partition, "VALUES_A_PIECE", 2200)
    monkeypatch.setattr(large_table, "VALUES_A_PIECE", 2200)
    monkeypatch.setattr(shuffling, "WINDOW_BYTES", 40_000)
    monkeypatch.setattr(shuffling, "BLOCK_BYTES", 2_000)
    monkeypatch.setattr(fitting, "FITTED_ROWS", 1500)
    monkeypatch.setattr(appraisal, "REPORT_ROWS", 200)


@pytest.fixture
def held(tmp_path: Path) -> Callable[..., Table]:
    FRAME.write_ipc(tmp_path / "table.arrow", record_batch_size=700)

    def table(goal: GoalSpec, training: TrainingSpec) -> LargeTable:
        parting = {getattr(training.validation, name, None) for name in ("group", "time")}
        names = {*goal.targets, goal.sample_weight, *parting}
        return LargeTable(
            TableFile(tmp_path / "table.arrow"), TYPES, [name for name in TYPES if name in names]
        )

    return table


def _trained(made: Fitting, checkpoint: Checkpoint | None = None) -> tuple[str, object]:
    for _ in made.run(checkpoint):
        pass
    _, report = made.finished()
    return made.weights_sha256(), report and report.model_dump(mode="json")


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_same_bits_wherever_the_rows_are(
    name: str, held: Callable[..., LargeTable], tmp_path: Path
) -> None:
    goal, more = CASES[name]
    training = TrainingSpec.model_validate(TRAINING | more)
    folder = tmp_path / "scratch"
    folder.mkdir()
    in_memory = Fitting(Table(FRAME, TYPES), goal, NETWORK, training)
    mapped = Fitting(Table(FRAME, TYPES), goal, NETWORK, training, room=Room(1000, folder))
    large = held(goal, training)
    in_file = Fitting(large, goal, NETWORK, training, room=Room(1000, folder))
    assert in_file.encoder == mapped.encoder == in_memory.encoder
    assert in_file.target == in_memory.target
    results = [_trained(made) for made in (in_memory, mapped, in_file)]
    assert results[1] == results[0]
    assert results[2] == results[0]
    assert not list(folder.iterdir())
    assert any("mapped from a file" in note for note in in_file.plan.notes)
    assert in_file.plan.rows == in_memory.plan.rows


def test_a_checkpoint_of_the_one_goes_on_in_the_other(
    held: Callable[..., LargeTable], tmp_path: Path
) -> None:
    goal, training = GoalSpec(target="y"), TrainingSpec.model_validate(TRAINING)
    large = held(goal, training)
    made = [Fitting(large, goal, NETWORK, training, room=Room(1000, tmp_path)) for _ in range(2)]
    whole = Fitting(Table(FRAME, TYPES), goal, NETWORK, training)
    steps = made[0].run()
    for _ in range(45):  # into the second epoch
        next(steps)
    checkpoint = made[0].checkpoint()
    assert _trained(made[1], checkpoint) == _trained(whole)
    steps.close()


def test_rows_that_memory_holds_stay_there(tmp_path: Path) -> None:
    made = Fitting(Table(FRAME, TYPES), GoalSpec(target="y"), NETWORK, room=Room(1 << 30, tmp_path))
    assert not any("mapped" in note for note in made.plan.notes)
    assert any("fitted on 1,500 of the 2,400 rows" in note for note in made.plan.notes)


def test_encoders_of_many_rows_are_fitted_on_some_of_them() -> None:
    goal = GoalSpec(target="y", features=("^b$",), scaling="standard")
    first, again, other = (
        Fitting(Table(FRAME, TYPES), goal, NETWORK, TrainingSpec(seed=seed)) for seed in (1, 1, 2)
    )
    assert first.encoder == again.encoder != other.encoder
    scale = first.encoder.columns[0].scale  # type: ignore[union-attr]
    assert scale.center == pytest.approx(X[:, 1].mean(), abs=0.1)  # type: ignore[union-attr]
