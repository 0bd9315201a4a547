"""A doctor that is resumed goes on as if it had not been interrupted."""

import json

import pytest
from doctor.provoked import PROVOKED, Provoked

from engine.checkup import doctor_of
from engine.fitting import Fitting
from engine.goal import GoalSpec
from engine.network import NetworkSpec
from engine.training import TrainingSpec

QUICK = [case for case in PROVOKED if case.code in {"dead_relus", "overfitting", "underfitting", "saturated"}]


@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.code)
@pytest.mark.parametrize("stop", [1, 3, 7])
def test_a_resumed_doctor_finds_the_same(case: Provoked, stop: int) -> None:
    request = case.request
    goal = GoalSpec.model_validate({name: request[name] for name in GoalSpec.model_fields})
    training = TrainingSpec.model_validate(request["training"])

    def made() -> Fitting:
        return Fitting(case.rows, goal, NetworkSpec.model_validate(request["network"]), training)

    fitting = made()
    undisturbed, resumed = doctor_of(fitting), doctor_of(fitting)
    expected, found = undisturbed.before(), resumed.before()
    for progress in fitting.run():
        if (point := progress.point) is None:
            continue
        expected += undisturbed.after(point, fitting.network)
        found += resumed.after(point, fitting.network)
        if point.epoch == stop:
            facts = json.loads(json.dumps(resumed.facts(), allow_nan=False))
            resumed = doctor_of(made())
            resumed.resume(facts)
            assert resumed.before() == []
    expected += undisturbed.at_end()
    found += resumed.at_end()
    assert case.code in {one.code for one in expected}
    assert found == expected


def test_what_was_told_is_not_told_again() -> None:
    [case] = [case for case in PROVOKED if case.code == "class_imbalance"]
    goal, training = GoalSpec(target="target"), TrainingSpec()
    fitting = Fitting(case.rows, goal, None, training)
    told = doctor_of(fitting).before()
    assert [one.code for one in told] == ["class_imbalance"]
    doctor = doctor_of(fitting)
    doctor.know(told)
    assert doctor.before() == []
