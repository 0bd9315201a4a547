"""A model answers the same bits alone and among others, before and after its file, from any thread."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.numpy import load, save

from engine.encoding.table import TableEncoder
from engine.encoding.target import ClassTarget, MultilabelTarget, ReconstructionTarget, RegressionTarget
from engine.ensemble import load_model
from engine.evaluation import evaluate
from engine.layers.activations.base import TanhSpec
from engine.layers.dense import DenseSpec
from engine.model import INFERENCE_BATCHES, Model, UnreadableModel
from engine.model_file import mapped
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec

ROWS = 150
RNG = np.random.default_rng(0)
TABLE = pl.DataFrame(
    {
        "number": [None, *RNG.standard_normal(ROWS - 1).tolist()],
        "word": RNG.choice(["a", "b", "c"], ROWS),
        "truth": RNG.random(ROWS) < 0.5,
        "label": RNG.choice(["x", "y", "z"], ROWS),
        "flag": RNG.integers(0, 2, ROWS),
        "size": RNG.standard_normal(ROWS) * 10 + 100,
    }
)
TYPES = {"number": "numeric", "word": "categorical", "truth": "boolean"}
ENCODER, _ = TableEncoder.fit(TABLE, TYPES, list(TYPES))

TARGETS = {
    "binary": (ClassTarget.fit(TABLE, ["flag"]), "sigmoid"),
    "multiclass": (ClassTarget.fit(TABLE, ["label"]), "softmax"),
    "multilabel": (MultilabelTarget.fit(TABLE, ["flag", "truth"]), "sigmoid"),
    "regression": (RegressionTarget.fit(TABLE, ["size"]), "identity"),
    "autoencoding": (ReconstructionTarget(width=ENCODER.width), "identity"),
}


def make(task="multiclass", hidden=7, encoder=ENCODER):
    target, link = TARGETS[task]
    spec = NetworkSpec(layers=(DenseSpec(units=hidden), TanhSpec(), DenseSpec())).resolve(target.outputs)
    network = Network(spec, (encoder.width,), batch=1, rng=np.random.default_rng(1))
    network.init(np.random.default_rng(2))
    return Model(
        encoder=encoder,
        network=spec,
        link=link,
        target=target,
        theta=network.theta,
        state=network.state,
    )


@pytest.mark.parametrize("task", TARGETS)
def test_answers_are_the_networks_outputs_through_the_link(task):
    model = make(task)
    parts = np.split(model.theta.astype(float), np.cumsum([ENCODER.width * 7, 7, 7 * model.target.outputs]))
    x = ENCODER.encode(TABLE)
    hidden = np.tanh(x @ parts[0].reshape(-1, 7) + parts[1])
    z = hidden @ parts[2].reshape(7, -1) + parts[3]
    expected = {
        "sigmoid": 1 / (1 + np.exp(-z)),
        "softmax": np.exp(z) / np.exp(z).sum(axis=1, keepdims=True),
        "identity": z,
    }[model.link]
    if task == "regression":
        expected = expected * TABLE["size"].to_numpy().std() + TABLE["size"].mean()
    np.testing.assert_allclose(model.answers(TABLE), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("task", TARGETS)
def test_predictions_and_the_report(task):
    model = make(task)
    predictions = model.predict(TABLE)
    assert len(predictions) == ROWS
    json.dumps(predictions, allow_nan=False)
    key = {"regression": "value", "multilabel": "labels", "autoencoding": "reconstruction_error"}.get(
        task, "label"
    )
    assert all(key in prediction for prediction in predictions)
    x = ENCODER.encode(TABLE)
    report = evaluate(model.target, model.answers(TABLE), model.target.truth(TABLE, x))
    assert (report.kind, report.rows) == (task, ROWS)
    if task == "multiclass":
        right = [p["label"] == label for p, label in zip(predictions, TABLE["label"], strict=True)]
        assert report.accuracy == np.mean(right)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [1, 5, 64, 257])
@pytest.mark.parametrize("width", [1, 3, 17, 130])
@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_row_has_the_same_bits_alone_as_among_others(task, width, hidden):
    names = [f"x{i}" for i in range(width)]
    table = pl.DataFrame(np.random.default_rng(5).standard_normal((ROWS, width)), schema=names)
    encoder, _ = TableEncoder.fit(table, dict.fromkeys(names, "numeric"), names)
    model = make(task, hidden, encoder)
    x = encoder.encode(table)
    together = model.answers_to(x)
    alone = np.concatenate([model.answers_to(x[row : row + 1]) for row in range(ROWS)])
    assert alone.tobytes() == together.tobytes()
    shuffled = np.random.default_rng(3).permutation(ROWS)
    assert model.answers_to(x[shuffled]).tobytes() == together[shuffled].tobytes()


@pytest.mark.slow
@settings(deadline=None)
@given(st.integers(0, ROWS), st.integers(0, ROWS))
def test_any_part_of_the_rows_has_the_same_bits(start, length):
    model = make()
    assert model.answers(TABLE[start : start + length]).tobytes() == (
        model.answers(TABLE)[start : start + length].tobytes()
    )


def test_no_rows():
    assert make().predict(TABLE[:0]) == []


@pytest.mark.parametrize("task", TARGETS)
def test_the_file_keeps_every_bit(task, tmp_path):
    model = make(task)
    path = tmp_path / "model.safetensors"
    model.save(path, {"dataset_sha256": "abc"})
    again = Model.load(path)
    assert again.answers(TABLE).tobytes() == model.answers(TABLE).tobytes()
    assert again.predict(TABLE) == model.predict(TABLE)
    assert again.features == model.features
    assert again.to_bytes({"dataset_sha256": "abc"}) == path.read_bytes()


def test_the_file_is_safetensors(tmp_path):
    model = make()
    path = tmp_path / "model.safetensors"
    model.save(path, {"name": "penguins"})
    with safe_open(path, "numpy") as file:
        assert sorted(file.metadata()) == ["encoder", "format", "link", "name", "network", "target"]
        assert file.get_tensor("theta").tobytes() == model.theta.tobytes()
        assert file.get_tensor("state").shape == (0,)


def test_the_models_own_metadata_cannot_be_given():
    with pytest.raises(ValueError, match="cannot be given: link"):
        make().to_bytes({"link": "softmax"})


def test_threads_share_a_model():
    model = make("multiclass", 64)
    expected = model.answers(TABLE)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: model.answers(TABLE), range(64)))
    assert all(answer.tobytes() == expected.tobytes() for answer in answers)


def rewritten(change):
    data = make().to_bytes()
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length])["__metadata__"]
    tensors = load(data)
    change(tensors, metadata)
    return save(tensors, metadata)


def set_units(metadata, units):
    network = json.loads(metadata["network"])
    network["layers"][0]["units"] = units
    metadata["network"] = json.dumps(network)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: t.update(theta=t["theta"][:-1]), r"theta has shape \[\d+\], the network needs \[\d+\]"),
        (lambda t, m: t.update(theta=t["theta"].reshape(1, -1)), "theta has shape"),
        (lambda t, m: t.update(theta=t["theta"].astype(float)), "theta and state in float32"),
        (
            lambda t, m: t.update(state=np.zeros(3, np.float32)),
            r"state has shape \[3\], the network needs \[0\]",
        ),
        (lambda t, m: t.update(theta=t["theta"] * np.nan), "not finite"),
        (lambda t, m: t.pop("state"), "theta and state"),
        (lambda t, m: t.update(more=np.zeros(3)), "theta and state"),
        (lambda t, m: m.pop("format"), "format"),
        (lambda t, m: m.update(format="backpropd-model-2"), "format"),
        (lambda t, m: m.update(link="relu"), "link"),
        (lambda t, m: m.update(network="{"), "network"),
        (lambda t, m: m.update(encoder='{"columns": []}'), "encoder"),
        (lambda t, m: m.update(target='{"kind": "magic"}'), "target"),
        (lambda t, m: m.update(target='{"kind": "autoencoding", "width": 2}'), "the target needs"),
        (lambda t, m: set_units(m, 10**400), "theta has shape"),
        (lambda t, m: set_units(m, -1), "network"),
        (lambda t, m: m.clear(), "format"),
    ],
)
def test_files_whose_parts_do_not_belong_together_are_refused(change, message):
    with pytest.raises(UnreadableModel, match=message):
        Model.from_bytes(rewritten(change))


def test_damaged_files_are_refused():
    data = make().to_bytes()
    length = int.from_bytes(data[:8], "little")
    for size in (0, 7, 8, 9, length, length + 8, len(data) - 1):
        with pytest.raises(UnreadableModel):
            Model.from_bytes(data[:size])
    with pytest.raises(UnreadableModel, match="header is longer"):
        Model.from_bytes((2**40).to_bytes(8, "little") + data[8:])


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.data())
def test_a_flipped_byte_never_does_worse_than_to_be_refused(data):
    file = bytearray(make().to_bytes())
    length = 8 + int.from_bytes(file[:8], "little")
    file[data.draw(st.integers(0, length - 1))] = data.draw(st.integers(0, 255))
    try:
        Model.from_bytes(bytes(file))
    except UnreadableModel:
        return


def test_a_network_that_does_not_take_the_encoders_width():
    model = make()
    spec = model.network.model_copy(update={"input_shape": (99,)})
    with pytest.raises(InvalidSpec, match="made for rows of shape"):
        Model(
            encoder=ENCODER,
            network=spec,
            link="softmax",
            target=model.target,
            theta=model.theta,
            state=model.state,
        )


def test_more_rows_than_a_batch_are_in_the_table():
    assert 2 * INFERENCE_BATCHES[0] < ROWS


def test_the_weights_of_a_mapped_file_are_not_copied(tmp_path):
    """So that all processes that answer by a model share them; the file may be deleted meanwhile."""
    model = make()
    model.save(tmp_path / "model")
    data = mapped(tmp_path / "model")
    found = load_model(data)
    (tmp_path / "model").unlink()
    assert np.shares_memory(found.theta, np.frombuffer(data, np.uint8))
    assert found.theta.tobytes() == model.theta.tobytes()
    assert found.to_bytes() == model.to_bytes()
    theta = model.theta.copy()
    model.theta[:] = 0
    assert found.theta.tobytes() == theta.tobytes()
