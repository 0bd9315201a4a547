import math

import pytest
from pydantic import TypeAdapter, ValidationError

from engine.schedules import (
    SCHEDULE_SPECS,
    AnySchedule,
    ConstantScheduleSpec,
    CosineRestartsScheduleSpec,
    CosineScheduleSpec,
    CosLog4ScheduleSpec,
    ExponentialScheduleSpec,
    FlatCosScheduleSpec,
    OneCycleScheduleSpec,
    PolynomialScheduleSpec,
    ReduceOnPlateauSpec,
    ScheduleSpec,
    StepScheduleSpec,
    WarmupScheduleSpec,
)

STEPS, EPOCHS = 10, 8  # a run of 80 steps


def factors(spec: ScheduleSpec) -> list[float]:
    schedule = spec.build(STEPS, EPOCHS)
    return [schedule(step) for step in range(STEPS * EPOCHS + 5)]


def test_constant():
    assert set(factors(ConstantScheduleSpec())) == {1.0}


def test_step_falls_every_few_epochs():
    values = factors(StepScheduleSpec(every=3, factor=0.5))
    assert values[:30] == [1.0] * 30
    assert values[30:60] == [0.5] * 30
    assert values[60:] == [0.25] * 25


def test_exponential_falls_by_its_factor_an_epoch():
    values = factors(ExponentialScheduleSpec(factor=0.8))
    assert values[0] == 1
    assert values[10] == pytest.approx(0.8)
    assert values[75] == pytest.approx(0.8**7.5)


@pytest.mark.parametrize("minimum", [0.0, 0.1])
def test_cosine_goes_from_one_to_the_minimum_and_stays_there(minimum: float):
    values = factors(CosineScheduleSpec(minimum=minimum))
    assert values[0] == 1
    assert values[20] == pytest.approx(minimum + (1 - minimum) * (1 + math.cos(math.pi / 4)) / 2)
    assert values[40] == pytest.approx((1 + minimum) / 2)
    assert values[80:] == pytest.approx([minimum] * 5)
    assert values == sorted(values, reverse=True)


def half_cosine(q: float) -> float:
    return (1 + math.cos(math.pi * q)) / 2


def test_cosine_restarts_over_longer_and_longer_runs():
    """2 epochs, then 6: restarts after steps 20 and 80."""
    values = factors(CosineRestartsScheduleSpec(first=2, longer=3, minimum=0.1))
    expected = [0.1 + 0.9 * half_cosine(step / 20) for step in range(20)]
    expected += [0.1 + 0.9 * half_cosine(step / 60) for step in range(60)]
    assert values[:80] == pytest.approx(expected)
    assert values[80] == 1


def test_cosine_restarts_of_one_length():
    values = factors(CosineRestartsScheduleSpec(first=1, longer=1))
    assert values[:80] == pytest.approx([half_cosine(step % 10 / 10) for step in range(80)])


def test_one_cycle_rises_and_falls_in_either_shape():
    """The rise takes 20 of 80 steps."""
    fields = {"rise": 0.25, "start": 0.1, "end": 0.01}
    cosine = factors(OneCycleScheduleSpec(**fields))
    assert cosine[:20] == pytest.approx([1 - 0.9 * half_cosine(step / 20) for step in range(20)])
    assert cosine[20:80] == pytest.approx([0.01 + 0.99 * half_cosine(step / 60) for step in range(60)])
    assert cosine[80:] == pytest.approx([0.01] * 5)
    line = factors(OneCycleScheduleSpec(**fields, shape="linear"))
    assert line[:20] == pytest.approx([0.1 + 0.9 * step / 20 for step in range(20)])
    assert line[20:80] == pytest.approx([1 - 0.99 * step / 60 for step in range(60)])
    assert line[80:] == pytest.approx([0.01] * 5)


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_polynomial_falls_along_a_power(power: float):
    values = factors(PolynomialScheduleSpec(power=power, end=0.2))
    assert values[:80] == pytest.approx([0.2 + 0.8 * (1 - step / 80) ** power for step in range(80)])
    assert values[80:] == pytest.approx([0.2] * 5)


def test_coslog4_has_four_humps_each_twice_as_long():
    values = factors(CosLog4ScheduleSpec())
    assert values[:80] == pytest.approx(
        [0.5 - 0.5 * math.cos(2 * math.pi * math.log2(1 + 15 * step / 80)) for step in range(80)]
    )
    schedule = CosLog4ScheduleSpec().build(15, 1)
    assert [schedule(step) for step in (0, 1, 3, 7, 15)] == pytest.approx([0] * 5, abs=1e-12)
    tops = CosLog4ScheduleSpec().build(1500, 1)
    assert [tops(round(100 * (2 ** (k + 0.5) - 1))) for k in range(4)] == pytest.approx([1] * 4, abs=1e-3)


def test_flat_cos_stays_and_falls():
    values = factors(FlatCosScheduleSpec(flat=0.75, minimum=0.1))
    assert values[:61] == [1.0] * 61
    assert values[60:80] == pytest.approx([0.1 + 0.9 * half_cosine(step / 20) for step in range(20)])
    assert values[80:] == pytest.approx([0.1] * 5)


def test_reduce_on_plateau_is_the_trainers_part():
    spec = ReduceOnPlateauSpec(factor=0.5)
    assert set(factors(spec)) == {1.0}
    assert spec.on_plateau is spec
    assert WarmupScheduleSpec(then=spec).on_plateau is spec
    assert CosineScheduleSpec().on_plateau is None


def test_warmup_rises_along_a_line_to_one():
    values = factors(WarmupScheduleSpec(epochs=1.5))
    assert values[:15] == pytest.approx([(step + 1) / 16 for step in range(15)])
    assert set(values[15:]) == {1.0}


def test_warmup_gives_the_rest_of_the_run_to_the_next_schedule():
    values = factors(WarmupScheduleSpec(epochs=2, then=CosineScheduleSpec(minimum=0.2)))
    rest = CosineScheduleSpec(minimum=0.2).build(STEPS, EPOCHS - 2)
    assert values[20:] == pytest.approx([rest(step) for step in range(65)])
    assert values[80] == pytest.approx(0.2)


def test_warmup_longer_than_the_run_only_rises():
    schedule = WarmupScheduleSpec(epochs=20, then=CosineScheduleSpec()).build(STEPS, EPOCHS)
    assert [schedule(step) for step in range(80)] == pytest.approx([(step + 1) / 201 for step in range(80)])
    assert schedule(200) == 0


def test_warmup_lasts_a_step_at_least():
    assert WarmupScheduleSpec(epochs=0.001).build(STEPS, EPOCHS)(0) == 0.5


@pytest.mark.parametrize("spec", SCHEDULE_SPECS)
def test_factors_stay_between_zero_and_one(spec: type[ScheduleSpec]):
    assert all(0 <= factor <= 1 for factor in factors(spec()))
    assert spec().build(1, 1)(10**12) >= 0


@pytest.mark.parametrize(
    ("fields", "location"),
    [
        ({"kind": "step", "every": 0}, ("step", "every")),
        ({"kind": "exponential", "factor": 1.1}, ("exponential", "factor")),
        ({"kind": "cosine", "minimum": -0.1}, ("cosine", "minimum")),
        ({"kind": "cosine_restarts", "first": 0}, ("cosine_restarts", "first")),
        ({"kind": "one_cycle", "rise": 1}, ("one_cycle", "rise")),
        ({"kind": "one_cycle", "shape": "square"}, ("one_cycle", "shape")),
        ({"kind": "polynomial", "power": 0}, ("polynomial", "power")),
        ({"kind": "flat_cos", "flat": 1}, ("flat_cos", "flat")),
        ({"kind": "reduce_on_plateau", "factor": 1}, ("reduce_on_plateau", "factor")),
        ({"kind": "warmup", "epochs": 0}, ("warmup", "epochs")),
        ({"kind": "warmup", "then": {"kind": "warmup"}}, ("warmup", "then")),
    ],
)
def test_impossible_values_are_refused_at_their_field(fields: dict, location: tuple):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(AnySchedule).validate_python(fields)
    assert [error["loc"] for error in caught.value.errors()] == [location]


def test_specs_document_themselves():
    for spec in SCHEDULE_SPECS:
        assert spec.formula
        assert spec.__doc__
        assert all(field.description for name, field in spec.model_fields.items() if name != "kind")
