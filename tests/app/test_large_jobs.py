"""A job on a table that is large for its memory reads it in parts, and learns the same."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.jobs import planner
from app.jobs.assignment import Assignment, Inputs, StoredTable
from app.storage import Storage
from engine.fitting import Fitting
from engine.goal import GoalSpec
from engine.large_table import LargeTable
from engine.network import NetworkSpec
from engine.spec import InvalidSpec
from engine.training import TrainingSpec

NETWORK = NetworkSpec.model_validate({"layers": [{"kind": "dense", "units": 4}, {"kind": "dense"}]})
X = np.random.default_rng(0).normal(size=(2000, 4))


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    storage = Storage(tmp_path / "data")
    frame = pl.DataFrame({name: X[:, i] for i, name in enumerate("abcd")} | {"y": X.sum(axis=1)})
    frame.write_ipc(storage.dataset("ds_1"))
    return storage


def _assignment(storage: Storage, memory: int | None, target: str = "y") -> Assignment:
    table = StoredTable(dataset_id="ds_1", types=dict.fromkeys("abcdy", "numeric"))
    return Assignment(
        data=storage.root,
        inputs=Inputs(table=table, validation=None),
        goal=GoalSpec(target=target),
        network=NETWORK,
        training=TrainingSpec(epochs=1),
        memory=memory,
    )


def _sha(fitting: object) -> str:
    assert isinstance(fitting, Fitting)
    for _ in fitting.run():
        pass
    fitting.finished()
    return fitting.weights_sha256()


def test_read_in_parts_where_it_is_large(storage: Storage, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    large = planner.fitting_of(_assignment(storage, 100_000), scratch)
    small = planner.fitting_of(_assignment(storage, 1 << 30), scratch)
    assert isinstance(large._table, LargeTable)
    assert not isinstance(small._table, LargeTable)
    with storage.dataset("ds_1").open("rb") as before:  # another table takes the name while the job runs
        other = storage.root / "other"
        other.write_bytes(before.read()[:100])
        other.rename(storage.dataset("ds_1"))
    assert _sha(large) == _sha(small)
    assert not list(scratch.iterdir())


def test_planned_without_a_folder_and_admitted(storage: Storage) -> None:
    answer = planner.plan(_assignment(storage, 100_000).model_dump_json(exclude_unset=True))
    assert any("mapped from a file" in note for note in answer["plan"]["notes"])


def test_a_wrong_name_is_told_with_all_columns(storage: Storage) -> None:
    with pytest.raises(InvalidSpec, match=r"there is no column 'z'.*b.*d"):
        planner.fitting_of(_assignment(storage, 100_000, target="z"))
