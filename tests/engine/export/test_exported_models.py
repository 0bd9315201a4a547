"""Whole models, exported: raw rows in, our predictions out."""

import json
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from exported import by_onnxruntime

from engine.encoding.columns import infer
from engine.encoding.records import frame_from_records
from engine.encoding.scales import QuantileScale
from engine.encoding.table import TableEncoder
from engine.encoding.target import ClassTarget, MultilabelTarget, RegressionTarget
from engine.ensemble import Ensemble
from engine.export.onnx_model import export_onnx
from engine.export.python_file import export_python
from engine.export.vectors import drawn_records
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.training import TrainingSpec
from engine.trust.assurance import Assurance

HOSTILE = '\');import os\n"""\\ {0}\u2028'
RNG = np.random.default_rng(0)
TABLE = pl.DataFrame(
    {
        "number": [None, *RNG.standard_normal(59).tolist()],
        HOSTILE: RNG.choice(["a", HOSTILE, "c"], 60),
        "truth": RNG.random(60) < 0.5,
        "size": RNG.standard_normal(60) * 10 + 100,
    }
)
TYPES = {"number": "numeric", HOSTILE: "categorical", "truth": "boolean"}
ENCODER, _ = TableEncoder.fit(TABLE, TYPES, list(TYPES))
LABELS = ClassTarget.fit(TABLE, [HOSTILE])
ORDERED = ClassTarget.fit(TABLE, [HOSTILE], "ordinal", ["c", "a", HOSTILE])
COUNTS = RegressionTarget(kind="count", names=("size",), means=(0.0,), stds=(1.0,))
BOUNDED = RegressionTarget(
    names=("a", "b"), means=(3.0, -1.0), stds=(2.0, 1.0), lows=(2.9, -1.1), highs=(3.1, -0.9)
)
SEVERAL = MultilabelTarget(names=("one", "other"))


def make(encoder=ENCODER, target=LABELS, link="softmax", temperature=1.0, seed=1):
    spec = NetworkSpec(layers=(DenseSpec(units=7), TanhSpec(), DenseSpec())).resolve(target.outputs)
    network = Network(spec, encoder.shape, batch=1, rng=np.random.default_rng(0))
    network.init(np.random.default_rng(seed))
    return Model(
        encoder=encoder,
        network=spec,
        link=link,
        target=target,
        theta=network.theta,
        state=network.state,
        assurance=Assurance(temperature=temperature),
    )


def together(*models):
    first = models[0]
    return Ensemble(
        encoder=first.encoder,
        network=first.network,
        link=first.link,
        target=first.target,
        weights=[(model.theta, model.state) for model in models],
    )


def with_quantiles():
    numbers = TABLE["number"].drop_nulls().round(1).to_numpy()
    column = ENCODER.columns[0].model_copy(update={"scale": QuantileScale.fit(numbers, 30)})
    return make(TableEncoder(columns=(column, *ENCODER.columns[1:])))


MODELS = {
    "labels": make,
    "temperature": lambda: make(temperature=2.5),
    "ensemble": lambda: together(make(), make(seed=2)),
    "values": lambda: make(target=RegressionTarget.fit(TABLE, ["size"]), link="identity"),
    "quantiles": with_quantiles,
    "ordinal": lambda: make(target=ORDERED, link="sigmoid", temperature=0.6),
    "bounded values": lambda: make(target=BOUNDED, link="identity"),
    "counts": lambda: make(target=COUNTS, link="exp"),
    "several labels": lambda: make(target=SEVERAL, link="sigmoid", temperature=1.7),
}


@pytest.mark.parametrize("kind", MODELS)
def test_onnx_takes_raw_columns_and_agrees(kind) -> None:
    model = MODELS[kind]()
    made = export_onnx(model)
    assert made.encoder_left_out is None
    frame, _ = frame_from_records(drawn_records(model.encoder), model.features)
    empty = np.array(frame[HOSTILE].fill_null("").to_list(), object)[:, None]
    numbers = {
        name: frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy() for name in ("number", "truth")
    }
    inputs = {name: values[:, None] for name, values in numbers.items()} | {HOSTILE: empty}
    out = by_onnxruntime(made.data, **inputs)
    expected = model.answers(frame)
    if "values" in out:
        np.testing.assert_allclose(out["values"], expected, rtol=1e-5)
    else:
        np.testing.assert_allclose(out["probabilities"], expected, atol=1e-5)
        if kind == "several labels":
            assert out["labels"].tolist() == (expected > 0.5).tolist()
            return
        assert out["label"].tolist() == [row["label"] for row in model.predict(frame)]


@pytest.mark.parametrize("kind", MODELS)
def test_the_python_file_agrees_and_no_name_is_a_part_of_its_program(kind) -> None:
    model = MODELS[kind]()
    text = export_python(model)
    assert "import os" not in text
    scope = {"__name__": "exported"}
    exec(compile(text, "exported", "exec"), scope)
    assert scope["check"]() <= 1e-6
    records = drawn_records(model.encoder, seed=1)
    frame, _ = frame_from_records(records, model.features)
    np.testing.assert_allclose(
        scope["answers"](scope["encoded"](records)), model.answers(frame), rtol=1e-6, atol=1e-6
    )


def test_the_python_file_notices_other_answers(tmp_path) -> None:
    text = export_python(make())
    path = tmp_path / "model.py"
    path.write_text(text.replace('"Tanh": _plain(np.tanh)', '"Tanh": _plain(np.sin)'), "utf-8")
    done = subprocess.run([sys.executable, "-I", path], capture_output=True, text=True, check=False)
    assert done.returncode == 1


def test_dates_leave_the_encoder_out_of_onnx_but_not_of_the_python_file() -> None:
    days = pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 2, 29), eager=True).cast(pl.Datetime("us"))
    table = TABLE.with_columns(days.alias("day"))
    encoder, _ = TableEncoder.fit(table, {**TYPES, "day": "datetime"}, [*TYPES, "day"])
    model = make(encoder)
    made = export_onnx(model)
    assert "day" in made.encoder_left_out
    x = encoder.encode(table)
    np.testing.assert_allclose(
        by_onnxruntime(made.data, x=x)["probabilities"], model.answers_to(x), atol=1e-5
    )
    scope = {"__name__": "exported"}
    exec(compile(export_python(model), "exported", "exec"), scope)
    assert scope["check"]() <= 1e-6


def test_texts_are_read_by_the_python_file() -> None:
    words = ["good", "bad", "Straße", "ﬁne", "the", "Ⅻ", "naïve", "x_1", "…", "日本"]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, draw.integers(1, 9))) for _ in range(300)]
    labels = ["bad" in text.split() for text in texts]
    table, types, _ = infer(pl.DataFrame({"text": texts, "label": labels}))
    goal = GoalSpec(target="label", quality="fast")
    fitting = Fitting(Table(table, {**types, "text": "text"}), goal, training=TrainingSpec(epochs=2))
    list(fitting.run())
    model = fitting.model
    scope = {"__name__": "exported"}
    exec(compile(export_python(model), "exported", "exec"), scope)
    assert scope["check"]() <= 1e-6
    asked = [{"text": text} for text in [*texts[:20], "", None, "STRASSE fine bad", 7]]
    frame, _ = frame_from_records(asked, model.features)
    assert np.array_equal(scope["encoded"](asked), model.encoder.encode(frame))
    assert model.encoder.encode(frame).any()
    assert [one["label"] for one in scope["predict"](asked)] == [one["label"] for one in model.predict(frame)]


@pytest.mark.parametrize(
    "value", ["1_0", " 1e3 ", "inf", "", None, "NA", 10**400, "x", True, "-.5", float("nan"), 1e300, [1]]
)
def test_a_value_is_read_as_the_service_reads_it(value) -> None:
    model = make()
    scope = {"__name__": "exported"}
    exec(compile(export_python(model), "exported", "exec"), scope)
    record = {"number": value, "truth": True}
    try:
        frame, _ = frame_from_records([record], model.features)
    except ValueError:
        with pytest.raises(ValueError, match="expected in 'number'"):
            scope["encoded"]([record])
    else:
        np.testing.assert_array_equal(
            scope["encoded"]([json.loads(json.dumps(record))]), model.encoder.encode(frame)
        )
