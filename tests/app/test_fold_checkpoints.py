"""A job that is paused inside its second network goes on there, bit for bit, and trains the first one only once."""

import pytest

from app.jobs.assignment import Assignment, Inputs, Run, SavedState, StoredTable
from app.jobs.execution import Execution, Stopped
from app.jobs.planner import fitting_of
from app.jobs.signals import SAVE_AND_END
from app.storage import Storage
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec

RECIPE = TrainingSpec(epochs=3, members=3, seed=2)
NETWORK = NetworkSpec.model_validate({"layers": [{"kind": "dense", "units": 4}, {"kind": "dense"}]})


class Asked:
    """What the worker asks for."""

    stop = mail = 0


@pytest.fixture
def describe(service, tmp_path):
    dataset = service.upload_penguins()
    table = StoredTable(
        dataset_id=dataset["id"], types={column["name"]: column["type"] for column in dataset["columns"]}
    )
    storage = Storage(service.settings.data)

    def run(**changes):
        return Run(
            **{
                "assignment": Assignment(
                    data=storage.root,
                    inputs=Inputs(table=table, validation=None),
                    goal=GoalSpec(target="species"),
                    network=NETWORK,
                    training=RECIPE,
                ),
                "job_id": "job_1",
                "attempt": 1,
                "model_id": "mdl_1",
                "scratch": tmp_path,
                "metadata": {"job_id": "job_1"},
                "saved": [],
                "changes": [],
                "request": {"network": NETWORK.model_dump(mode="json")},
                "findings": [],
                "recorded_step": 0,
                "checkpoint_seconds": 1000,
                "blas_threads": 1,
                "kernels": "numpy",
                "memory": 2**32,
                "seconds": None,
            }
            | changes
        )

    return run


def carry_out(run, pause_at=None):
    """The fitting and all that is told; asks for a pause once so many epochs are told."""
    told, asked = [], Asked()
    fitting = fitting_of(run.assignment)

    def tell(kind, **content):
        told.append({"kind": kind, **content})

    execution = Execution(fitting, run, {"here": 1}, asked, tell, list)
    see = execution._examination.see

    def seen(point):
        see(point)
        if point.epoch == pause_at:
            asked.stop = SAVE_AND_END

    execution._examination.see = seen
    if pause_at is None:
        execution.carry_out()
    else:
        with pytest.raises(Stopped):
            execution.carry_out()
    return fitting, told


def points(told):
    sent = [point for message in told if message["kind"] == "points" for point in message["points"]]
    return [point | {"seconds": 0} for point in sent]


def test_a_pause_inside_the_second_network(describe, service):
    undisturbed, whole = carry_out(describe())
    _, before = carry_out(describe(), pause_at=4)
    (saved,) = [message["written"] for message in before if message["kind"] == "checkpoint"]
    assert saved["epoch"] == 4
    state = SavedState(path=service.settings.data.absolute() / saved["file"], attempt=1, step=saved["step"])
    resumed, after = carry_out(describe(attempt=2, saved=[state]))
    assert points(before) + points(after) == points(whole)
    assert [(point["fold"], point["fold_epoch"]) for point in points(after)][:2] == [(2, 2), (2, 3)]
    assert resumed.weights_sha256() == undisturbed.weights_sha256()
    assert resumed.finished()[0].to_bytes() == undisturbed.finished()[0].to_bytes()
