"""Every kind of finding is told where it should be, and its remedy makes it vanish."""

import pytest
from doctor.provoked import PROVOKED, Provoked, examined

from engine.doctor import RULES

each = pytest.mark.parametrize("case", PROVOKED, ids=lambda case: f"{case.code}-{case.severity}")


def test_every_rule_is_provoked() -> None:
    assert {case.code for case in PROVOKED} == {rule.code for rule in RULES}


@pytest.mark.slow
@each
def test_the_finding_is_told_and_its_remedy_makes_it_vanish(case: Provoked) -> None:
    found, _ = examined(case.rows, case.request)
    [finding, *_] = [one for one in found if one.code == case.code and one.severity == case.severity]
    assert finding.title.endswith(".")
    assert finding.evidence
    assert finding.source
    assert finding.remedy is not None
    assert finding.remedy.patch
    after, _ = examined(case.rows, case.patched(finding.remedy.patch))
    assert case.code not in {one.code for one in after}


@pytest.mark.slow
@each
def test_a_finding_is_told_once_and_again_only_when_it_is_worse(case: Provoked) -> None:
    found, _ = examined(case.rows, case.request)
    told = [(one.subject, one.severity) for one in found]
    assert len(told) == len(set(told))


def test_findings_about_layers_name_them() -> None:
    [case] = [case for case in PROVOKED if case.code == "dead_relus"]
    [dead] = [one for one in examined(case.rows, case.request)[0] if one.code == "dead_relus"]
    assert (dead.layer, dead.place, dead.epoch) == (1, "/network/layers/1", 2)
    assert dead.evidence["dead_units"] == dead.evidence["units"] == 16


def test_layers_within_layers_are_looked_at() -> None:
    [case] = [case for case in PROVOKED if case.code == "dead_relus"]
    dead = [*case.layers[:2], {"kind": "dense", "units": 16}]
    for around, place in [
        ({"kind": "sequential", "layers": dead}, "/network/layers/1/layers/1"),
        ({"kind": "residual", "layers": dead}, "/network/layers/1/layers/1"),
        ({"kind": "parallel", "branches": [[], dead]}, "/network/layers/1/branches/1/1"),
    ]:
        nested = Provoked(
            case.code,
            "error",
            case.rows,
            [{"kind": "dense", "units": 16}, around, {"kind": "dense"}],
            {"epochs": 3},
        )
        found, _ = examined(nested.rows, nested.request)
        [finding] = [one for one in found if one.code == "dead_relus"]
        assert (finding.layer, finding.place) == (1, place)
        assert finding.remedy is not None
        after, _ = examined(nested.rows, nested.patched(finding.remedy.patch))
        assert "dead_relus" not in {one.code for one in after}


def test_overfitting_is_no_warning_where_early_stopping_keeps_the_best_weights() -> None:
    [case] = [case for case in PROVOKED if case.code == "overfitting"]
    request = case.request
    request["training"]["early_stopping"] = {"patience": 140}
    found, _ = examined(case.rows, request)
    assert [one.severity for one in found if one.code == "overfitting"] == ["info"]
