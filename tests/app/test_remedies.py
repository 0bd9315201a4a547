"""Remedies as patches of a job's request, whichever way the request names its network."""

from pathlib import Path

import pytest
from doctor.provoked import PROVOKED, Provoked, examined

from app.jobs.assignment import Assignment, Inputs, Run, StoredTable
from app.jobs.examination import Examination, suited
from app.jobs.schemas import JobRequest
from engine.doctor import apply
from engine.fitting import Fitting
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec

each = pytest.mark.parametrize("case", PROVOKED, ids=lambda case: f"{case.code}-{case.severity}")


def run_of(case: Provoked, request: dict) -> Run:
    """The run of a job that was launched with `request` and trains the case's network."""
    return Run(
        assignment=Assignment(
            data=Path(),
            inputs=Inputs(table=StoredTable(dataset_id="ds_1", types={}), validation=None),
            goal=GoalSpec(target="target"),
            network=NetworkSpec.model_validate(case.request["network"]),
            training=TrainingSpec.model_validate(request["training"]),
        ),
        job_id="job_1",
        attempt=1,
        model_id="mdl_1",
        scratch=Path(),
        metadata={},
        saved=[],
        changes=[],
        request=request,
        findings=[],
        recorded_step=0,
        checkpoint_seconds=10,
        blas_threads=1,
        kernels="numpy",
        memory=2**30,
        seconds=None,
    )


@pytest.mark.slow
@each
@pytest.mark.parametrize(
    "named", [{"network": "inline"}, {"network_id": "net_1"}, {}], ids=["inline", "id", "none"]
)
def test_a_patched_request_is_a_request(case, named) -> None:
    network = {"network": case.request["network"]} if "network" in named else named
    request = JobRequest.model_validate(
        {"dataset_id": "ds_1", "target": "target", **case.goal, "training": case.training, **network}
    ).model_dump(mode="json")
    run = run_of(case, request)
    found = [suited(one, run) for one in examined(case.rows, case.request)[0]]
    remedies = [one.remedy for one in found if one.code == case.code and one.remedy is not None]
    assert remedies
    for remedy in remedies:
        after = JobRequest.model_validate(apply(request, remedy.patch))
        assert after.model_dump(mode="json") != request


def test_a_fault_of_the_doctor_does_not_end_the_training(monkeypatch, capsys) -> None:
    [case] = [case for case in PROVOKED if case.code == "class_imbalance"]
    fitting = Fitting(case.rows, GoalSpec(target="target"))
    told = []
    examination = Examination(
        fitting, run_of(case, case.request), lambda kind, **content: told.append((kind, content))
    )
    examination.begin(None)
    [(kind, content)] = told
    assert kind == "findings"
    assert [one["code"] for one in content["findings"]] == ["class_imbalance"]
    assert "doctor" in examination.facts
    monkeypatch.setattr("engine.doctor.doctor.Doctor.at_end", lambda *_: 1 / 0)
    examination.end()
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert examination.facts == {}
