"""Series: windows against loops, no leakage, forecasts that beat the last value, and what is refused."""

from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from engine.encoding.columns import infer
from engine.encoding.errors import UnreadableTable
from engine.encoding.records import frame_from_records
from engine.ensemble import load_model
from engine.folds.fitting import AnyFitting, fitting_for
from engine.forecasting.windows import FIRST, LAST, ROW, WINDOW
from engine.goal import GoalSpec
from engine.partition import Table
from engine.spec import InvalidSpec
from engine.training import TrainingSpec

WINDOW_ROWS, HORIZON = 5, 3
CHANCE = np.random.default_rng(0)


def shops() -> pl.DataFrame:
    """Two series in one table, rows in no order, with gaps in both of their columns of numbers."""
    rows = [
        {"shop": shop, "day": day, "sales": CHANCE.normal(10 * day), "price": CHANCE.normal(), "note": "x"}
        for shop, days in (("north", 30), ("south", 24))
        for day in range(days)
    ]
    order = CHANCE.permutation(len(rows))
    frame = pl.DataFrame([rows[i] for i in order])
    gaps = pl.Series(CHANCE.random(len(rows)) < 0.1)
    return frame.with_columns(
        pl.when(~gaps).then(pl.col("sales")), pl.when(~gaps.reverse()).then(pl.col("price"))
    )


def fitting(
    frame: pl.DataFrame, target: object = "sales", series: dict | None = None, **training
) -> AnyFitting:
    typed, types, _ = infer(frame)
    wanted = {"time": "day", "window": WINDOW_ROWS, "horizon": HORIZON} | (series or {})
    goal = GoalSpec.model_validate({"target": target, "series": wanted, "quality": "fast"})
    return fitting_for(Table(typed, types), goal, None, TrainingSpec.model_validate(training))


def test_windows_are_what_loops_make_of_them() -> None:
    frame = shops()
    made = fitting(frame, series={"group": "shop"}, validation={"kind": "none"})
    assert made.plan.features == ["sales", "price"]
    examples = {row[ROW]: row for row in made.training_rows.iter_rows(named=True)}
    expected = set()
    for shop in ("north", "south"):
        numbered = frame.with_row_index("at").filter(pl.col("shop") == shop).sort("day")
        known = numbered["sales"].is_not_null().to_list()
        filled = numbered.select(
            "at", *(pl.col(name).forward_fill().backward_fill() for name in ("sales", "price"))
        ).rows()
        for end in range(WINDOW_ROWS, len(filled) - HORIZON + 1):
            if not all(known[end : end + HORIZON]):
                continue
            number, level, _ = filled[end - 1]
            expected.add(number)
            row, past = examples[number], filled[end - WINDOW_ROWS : end]
            window = [[sales - level, price] for _, sales, price in past]
            np.testing.assert_allclose(row[WINDOW], window, rtol=1e-6, atol=1e-6)
            future = [filled[end + step][1] - level for step in range(HORIZON)]
            assert [row[f"sales+{step}"] for step in (1, 2, 3)] == pytest.approx(future)
            assert (row[FIRST], row[LAST]) == (end - WINDOW_ROWS, end + HORIZON - 1)
    assert examples.keys() == expected


@pytest.mark.parametrize(
    "validation", [{"kind": "fraction", "fraction": 0.3}, {"kind": "k_fold", "folds": 3}, None]
)
def test_windows_that_validate_have_nothing_in_common_with_what_was_trained_on(validation) -> None:
    more = {} if validation is None else {"validation": validation}
    frame = pl.DataFrame({"day": range(120), "sales": CHANCE.normal(size=120)})
    made = fitting(frame, epochs=1, **more, test={"fraction": 0.1})
    for _ in made.run():
        pass
    fittings = [made] if made.training.members == 1 else [made._make(number) for number in range(3)]
    for one in fittings:
        trained, held_out = one.training_rows, one.validation_rows
        assert trained.height > 5
        assert trained[LAST].max() < held_out[FIRST].min()
        assert max(trained[LAST].max(), held_out[LAST].max()) < one.appraisal._parted.test[FIRST].min()


@pytest.mark.parametrize("validation", [{"kind": "none"}, {"kind": "fraction"}])
def test_what_is_kept_apart_has_nothing_in_common_with_the_rest(validation) -> None:
    frame = pl.DataFrame({"day": range(200), "sales": CHANCE.normal(size=200)})
    apart = {"test": {"fraction": 0.2}, "calibration": {"fraction": 0.2}}
    parted = fitting(frame, validation=validation, **apart).appraisal._parted
    blocks = [parted.training, parted.validation, parted.calibration, parted.test]
    there = [block for block in blocks if block is not None]
    assert len(there) == (3 if validation["kind"] == "none" else 4)
    for earlier, later in pairwise(there):
        assert earlier.height > 5
        assert earlier[LAST].max() < later[FIRST].min()


def test_no_window_holds_a_value_of_its_future() -> None:
    day = [float(i) for i in range(20)]
    late = [None] * 7 + day[7:]
    frame = pl.DataFrame({"day": day, "sales": late, "price": [None] * 9 + day[9:], "none": [None] * 20})
    series = {"window": 3, "horizon": 1}
    made = fitting(frame, series=series, validation={"kind": "none"})
    assert made.training_rows[ROW].min() == 9  # the first that ends where both have begun
    frame = frame.drop("price")
    made = fitting(frame, series=series, validation={"kind": "none"})
    assert made.training_rows[ROW].min() == 7
    for _ in made.run():
        pass
    typed, _, _ = infer(frame.with_columns(pl.lit(None, pl.Float64).alias("sales")))
    with pytest.raises(UnreadableTable, match="sales is missing in every row"):
        made.model.predict(typed)


def rising(steps: int) -> np.ndarray:
    """A sine on a trend: beyond the training rows it is higher than all that was seen."""
    t = np.arange(steps)
    return np.sin(2 * np.pi * t / 12) + 0.02 * t + 0.05 * np.random.default_rng(1).standard_normal(steps)


def mackey_glass(steps: int) -> np.ndarray:
    """x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x: Mackey and Glass 1977."""
    x = [1.2] * 18
    while len(x) < steps * 3:
        x.append(0.9 * x[-1] + 0.2 * x[-18] / (1 + x[-18] ** 10))
    return np.array(x[-steps * 3 :: 3])


@pytest.mark.slow
@pytest.mark.parametrize(("make", "share"), [(rising, 0.25), (mackey_glass, 0.25)])
def test_forecasts_beat_the_last_value(make, share: float) -> None:
    values = make(260)
    start = datetime(2020, 1, 1)  # noqa: DTZ001 - as a table has it
    days = [start + timedelta(days=i) for i in range(len(values))]
    frame = pl.DataFrame({"day": days, "sales": values})
    made = fitting(frame[:-HORIZON], series={"window": 18}, calibration={"fraction": 0.1})
    for _ in made.run():
        pass
    model, report = made.finished()
    naive = {baseline.kind: baseline for baseline in report.baselines.models}["last_value"]
    assert report.rmse < share * naive.validation["rmse"]
    assert any("the last value's on the validation rows" in line for line in report.baselines.summary)
    kept = load_model(model.to_bytes())
    records = [{"day": day.isoformat(), "sales": value} for day, value in zip(days, values, strict=True)]
    read, _ = frame_from_records(records[:-HORIZON][::-1], kept.features)
    [answer] = kept.predict(read)
    assert answer["after"] == days[-HORIZON - 1].isoformat()
    errors = [abs(answer["values"][f"sales+{k}"] - values[k - HORIZON - 1]) for k in (1, 2, 3)]
    assert max(errors) < 4 * report.rmse
    interval = answer["intervals"]["sales+1"]
    assert interval["low"] < answer["values"]["sales+1"] < interval["high"]
    assert interval["high"] - interval["low"] < 1


def test_a_forecast_of_each_series_and_too_few_rows() -> None:
    frame = shops().drop_nulls()
    made = fitting(frame, series={"group": "shop", "horizon": 1}, epochs=1)
    for _ in made.run():
        pass
    model = load_model(made.model.to_bytes())
    typed, _, _ = infer(frame)
    answers = model.predict(typed)
    assert [answer["group"] for answer in answers] == ["north", "south"]
    assert all(answer["value"] > 100 for answer in answers)
    with pytest.raises(UnreadableTable, match="reads the last 5 rows of 'north', but there are 4"):
        model.predict(typed.filter(pl.col("shop") == "north")[:4])


def test_names_may_look_like_patterns_and_networks_may_be_several() -> None:
    """Polars takes "^a$" and "*" for patterns in some places."""
    frame = shops().drop_nulls().rename({"day": "^day$", "sales": "*", "shop": "^shop$"})
    series = {"time": "^day$", "group": "^shop$", "horizon": 1}
    made = fitting(frame, "*", series, epochs=1, members=2)
    for _ in made.run():
        pass
    model, report = made.finished()
    assert (report.of, made.plan.target, made.plan.features) == ("out_of_fold", ["*+1"], ["*", "price"])
    typed, _, _ = infer(frame)
    assert [answer["group"] for answer in load_model(model.to_bytes()).predict(typed)] == ["north", "south"]


TABLE = pl.DataFrame(
    {
        "day": range(60),
        "sales": np.arange(60.0),
        "word": ["a", "b"] * 30,
        "twice": [i // 2 for i in range(60)],
        "^gap$": [None, *range(59)],
    }
)


@pytest.mark.parametrize(
    ("request_", "path", "sentence"),
    [
        ({"series": {"time": "when"}}, ("series", "time"), "there is no column 'when'"),
        ({"series": {"time": "word"}}, ("series", "time"), "'word' is categorical"),
        ({"series": {"time": "twice"}}, ("series",), "twice is '0' in two rows: name the column"),
        ({"series": {"time": "^gap$"}}, ("series",), "^gap$ is missing in row 1"),
        ({"series": {"group": "nobody"}}, ("series", "group"), "no column 'nobody'"),
        ({"series": {"window": 58}}, ("series",), "need 61 rows, which no series has"),
        ({"series": {"window": 10_000}}, ("series",), "which no series has"),
        ({"series": {"time": "sales"}}, ("series",), "different columns"),
        ({"target": "word"}, ("target",), "'word' is categorical; here it is to be numeric"),
        ({"target": None}, ("target",), "a series needs a target"),
        ({"validation": {"kind": "fraction", "group": "word"}}, ("training", "validation", "group"), "leave it out"),
        ({"validation": {"kind": "fraction", "time": "twice"}}, ("training", "validation", "time"), "leave it out"),
        ({"validation": {"kind": "k_fold", "repeats": 2}}, ("training", "validation", "repeats"), "one way only"),
    ],
)  # fmt: skip
def test_what_is_refused(request_: dict, path: tuple, sentence: str) -> None:
    with pytest.raises(InvalidSpec) as caught:
        fitting(TABLE, **request_)
    assert caught.value.path == path
    assert sentence in caught.value.detail
