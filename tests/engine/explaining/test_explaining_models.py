"""Scores and their gradients of real models, and the methods that look into a network."""

from io import BytesIO

import numpy as np
import polars as pl
import pytest
from PIL import Image

from engine.encoding.columns import infer
from engine.encoding.table import TableEncoder
from engine.encoding.target import (
    ClassTarget,
    MultilabelTarget,
    ReconstructionTarget,
    RegressionTarget,
)
from engine.ensemble import Ensemble
from engine.explaining import Unexplainable
from engine.explaining.counterfactuals import Candidates, class_margin, counterfactuals, ordinal_margin
from engine.explaining.differentiable import ScoreGradients, WideScores
from engine.explaining.gedeon import first_matrices, gedeon
from engine.explaining.grad_cam import channel_layer, enlarged, grad_cam
from engine.explaining.integrated_gradients import integrated_gradients
from engine.explaining.layer_values import split_by_layer, trace
from engine.explaining.nearest_rows import nearest
from engine.explaining.occlusion import OcclusionSpec, occlusion
from engine.explaining.pictures import overlay
from engine.explaining.scores import Scores
from engine.explaining.suspect_labels import suspicion
from engine.explaining.tables import intervals_of, median_row, observed, spread
from engine.model import Model
from engine.network import Network, NetworkSpec
from engine.tasks import LINK
from engine.trust.assurance import Assurance

RNG = np.random.default_rng(0)
FRAME, TYPES, _ = infer(
    pl.DataFrame(
        {
            "a": RNG.standard_normal(40),
            "b": [None, *RNG.standard_normal(39).tolist()],
            "c": ["x", "y", "z", "x"] * 10,
            "two": [0, 1] * 20,
            "three": ["l", "m", "h", "m"] * 10,
            "value": RNG.standard_normal(40) * 50 + 7,
        }
    )
)
FEATURES = ["a", "b", "c"]
TASKS = ("binary", "multiclass", "ordinal", "multilabel", "regression", "count", "autoencoding")


def target_of(task: str, width: int):
    return {
        "binary": ClassTarget.fit(FRAME, ["two"]),
        "multiclass": ClassTarget.fit(FRAME, ["three"]),
        "ordinal": ClassTarget.fit(FRAME, ["three"], "ordinal", ["l", "m", "h"]),
        "multilabel": MultilabelTarget.fit(FRAME, ["two"]),
        "regression": RegressionTarget.fit(FRAME, ["value"]),
        "count": RegressionTarget.fit_amounts(FRAME, ["two"], "count"),
        "autoencoding": ReconstructionTarget(width=width),
    }[task]


def model_of(
    task: str, *, layers: list[dict] | None = None, temperature: float = 1.0, seed: int = 1
) -> Model:
    """A small model of a smooth network with random weights."""
    encoder, _ = TableEncoder.fit(FRAME, TYPES, FEATURES)
    target = target_of(task, encoder.width)
    hidden = layers or [{"kind": "dense", "units": 5}, {"kind": "tanh"}, {"kind": "dense"}]
    if task == "ordinal":  # its outputs must fall from class to class
        hidden = [*hidden, {"kind": "ordered_logits"}]
    spec = NetworkSpec.model_validate({"layers": hidden}).resolve(target.outputs)
    network = Network(spec, encoder.shape, batch=1, rng=np.random.default_rng(0))
    theta = np.random.default_rng(seed).standard_normal(network.theta.shape).astype(np.float32)
    return Model(
        encoder=encoder,
        network=spec,
        link=LINK[task],
        target=target,
        theta=theta,
        state=network.state,
        assurance=Assurance(temperature=temperature),
    )


def numerical(f: ScoreGradients, x: np.ndarray, outputs: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences."""
    columns = []
    for column in range(x.shape[1]):
        up, down = x.copy(), x.copy()
        up[:, column] += step
        down[:, column] -= step
        columns.append((f.values(up, outputs) - f.values(down, outputs)) / (2 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize(
    ("task", "temperature"), [*((task, 1.0) for task in TASKS), *((task, 2.5) for task in TASKS[:4])]
)
def test_gradients_equal_central_differences(task: str, temperature: float) -> None:
    model = model_of(task, temperature=temperature)
    scores = Scores(model)
    x = model.encoder.encode(FRAME[:4]).astype(np.float64)
    answered = scores(x)
    for output in range(len(scores.names)):
        outputs = np.full(4, output)
        f = ScoreGradients(model)
        np.testing.assert_allclose(f.values(x, outputs), answered[:, output], rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(f.gradients(x, outputs), numerical(f, x, outputs), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(WideScores(model)(x), answered, rtol=1e-5, atol=1e-6)


def test_a_bounded_answer_is_explained_as_it_is_given() -> None:
    model = model_of("regression")
    x = model.encoder.encode(FRAME).astype(np.float64)
    plain = Scores(model)(x)[:, 0]
    low, high = np.quantile(plain, [0.3, 0.7])
    target = model.target.model_copy(update={"lows": (low,), "highs": (high,)})
    bounded = model.settled(target, model.assurance)
    f, outputs = ScoreGradients(bounded), np.zeros(len(x), np.intp)
    np.testing.assert_allclose(f.values(x, outputs), Scores(bounded)(x)[:, 0], rtol=1e-5, atol=1e-5)
    gradients = f.gradients(x, outputs)
    np.testing.assert_allclose(gradients, numerical(f, x, outputs), rtol=1e-6, atol=1e-7)
    assert np.array_equal((gradients == 0).all(axis=1), (plain < low) | (plain > high))
    row, reference = x[[np.argmax(plain)]], x[[np.argmin(plain)]]
    found = integrated_gradients(f, row, reference, np.zeros(1, np.intp))
    assert found.values.sum() == pytest.approx(high - low, abs=1e-3 * (high - low))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_gradients_of_logits(task: str) -> None:
    model = model_of(task, temperature=2.0)
    x = model.encoder.encode(FRAME[:3]).astype(np.float64)
    f, outputs = ScoreGradients(model, logits=True), np.zeros(3, np.intp)
    np.testing.assert_allclose(f.gradients(x, outputs), numerical(f, x, outputs), rtol=1e-6, atol=1e-7)


def test_an_ensemble_is_explained_as_the_mean_of_its_members() -> None:
    members = [model_of("multiclass", seed=seed) for seed in (1, 2, 3)]
    first = members[0]
    ensemble = Ensemble(
        encoder=first.encoder,
        network=first.network,
        link=first.link,
        target=first.target,
        weights=[(member.theta, member.state) for member in members],
        assurance=Assurance(temperature=1.7),
    )
    x = first.encoder.encode(FRAME[:5]).astype(np.float64)
    f, outputs = ScoreGradients(ensemble), np.array([0, 1, 2, 0, 1])
    np.testing.assert_allclose(WideScores(ensemble)(x), Scores(ensemble)(x), atol=1e-6)
    np.testing.assert_allclose(f.values(x, outputs), Scores(ensemble)(x)[np.arange(5), outputs], atol=1e-6)
    np.testing.assert_allclose(f.gradients(x, outputs), numerical(f, x, outputs), rtol=1e-6, atol=1e-8)


def test_one_hot_groups_are_merged() -> None:
    model = model_of("multiclass")
    scores, f = Scores(model), ScoreGradients(model)
    x = model.encoder.encode(FRAME[:2])
    found = integrated_gradients(f, x, median_row(model.encoder)[np.newaxis], np.array([0, 1]))
    merged = scores.by_feature(found.values)
    assert merged.shape == (2, 3)
    np.testing.assert_allclose(merged.sum(axis=1), found.scores - found.reference_scores, atol=1e-3)
    np.testing.assert_allclose(merged[:, 2], found.values[:, scores.groups[2]].sum(axis=1))


def test_columns_without_slope_move_first() -> None:
    """F = table[code] * (1 + a): the code jumps, a is integrated, and the sum is complete."""
    table = np.array([0.0, 3.0, -1.0])

    class Coded:
        def values(self, x, outputs):
            return table[x[:, 0].astype(int)] * (1 + x[:, 1]) + x[:, 1]

        def gradients(self, x, outputs):
            gradients = np.zeros(x.shape)
            gradients[:, 1] = table[x[:, 0].astype(int)] + 1
            return gradients

    found = integrated_gradients(
        Coded(), np.array([[1.0, 2.0]]), np.array([[0.0, 0.5]]), np.zeros(1, int), coded=[np.array([0])]
    )
    assert found.values[0].tolist() == pytest.approx([3 * 1.5, 4 * 1.5])


def test_the_median_row_has_nothing_missing() -> None:
    encoder = model_of("binary").encoder
    row = median_row(encoder)
    names = dict(zip(encoder.output_names, row.tolist(), strict=True))
    assert names["b missing"] == 0
    assert names["c = x"] == names["c = y"] == 0
    median = encoder.encode(FRAME[:1].with_columns(pl.lit(FRAME["a"].median()).alias("a")))[0, 0]
    assert names["a"] == pytest.approx(median)


def test_the_median_row_of_images_is_the_mean_image() -> None:
    pixels = RNG.integers(0, 255, (6, 4, 4, 1)).astype(np.uint8)
    frame = pl.DataFrame({"image": pl.Series(pixels, dtype=pl.Array(pl.UInt8, (4, 4, 1)))})
    encoder, _ = TableEncoder.fit(frame, {"image": "image"}, ["image"])
    assert median_row(encoder).tolist() == [0.0] * 16


def test_gedeon_by_hand() -> None:
    first = np.array([[1.0, -2.0], [3.0, 2.0]])  # two inputs, two hidden
    second = np.array([[1.0], [-3.0]])
    shares = np.array([[0.25, 0.5], [0.75, 0.5]])
    expected = shares @ np.array([0.25, 0.75])
    np.testing.assert_allclose(gedeon(first, second), expected / expected.max())
    assert gedeon(np.array([[0.0], [2.0]]), None).tolist() == [0, 1]  # an unused input has none
    model = model_of("multiclass")
    read = first_matrices(model)
    assert read[0].shape == (model.encoder.width, 5)
    assert read[1].shape == (5, 3)
    scaled = model_of("binary", layers=[{"kind": "scaling"}, {"kind": "dense"}])
    with pytest.raises(Unexplainable, match="layer 0 is a scaling"):
        first_matrices(scaled)


def test_a_trace_holds_the_gradient_of_the_weights() -> None:
    model = model_of("multiclass", temperature=1.5)
    row = model.encoder.encode(FRAME[:1])[0]
    found = trace(model, row, 2)
    assert [out.shape for out in found.outputs] == [(5,), (5,), (3,)]
    assert found.score == pytest.approx(Scores(model)(row[np.newaxis])[0, 2], abs=1e-6)
    weights = split_by_layer(model, found.theta)
    np.testing.assert_allclose(weights[0]["W"], np.outer(row, found.gradients[0]), atol=1e-12)
    np.testing.assert_allclose(weights[2]["b"], found.gradients[2], atol=1e-12)


def image_model() -> Model:
    """Pixels 0..35 as columns -> 6 x 6 -> a convolution -> one score."""
    frame, types, _ = infer(pl.DataFrame({f"p{i}": RNG.random(8) for i in range(36)} | {"y": [0, 1] * 4}))
    encoder, _ = TableEncoder.fit(frame, types, [f"p{i}" for i in range(36)], scaling="none")
    target = ClassTarget.fit(frame, ["y"])
    layers = [
        {"kind": "reshape", "shape": [6, 6, 1]},
        {"kind": "conv2d", "filters": 2, "kernel_size": [3, 3]},
        {"kind": "relu"},
        {"kind": "global_average_pool"},
        {"kind": "dense"},
    ]
    spec = NetworkSpec.model_validate({"layers": layers}).resolve(1)
    network = Network(spec, (36,), batch=1, rng=np.random.default_rng(0))
    theta = np.random.default_rng(3).standard_normal(network.theta.shape).astype(np.float32)
    return Model(
        encoder=encoder, network=spec, link="sigmoid", target=target, theta=theta, state=network.state
    )


def test_grad_cam_weighs_the_channels_by_their_mean_gradient() -> None:
    model = image_model()
    assert channel_layer(model, None) == 2
    row = RNG.random(36).astype(np.float32)
    found = trace(model, row, 1, logits=True)
    channels, slopes = found.outputs[2], found.gradients[2]
    expected = np.maximum(sum(slopes[..., k].mean() * channels[..., k] for k in range(2)), 0)
    height, width = expected.shape
    shown = grad_cam(model, row, 1, 2)
    assert shown.shape == (6, 6)
    np.testing.assert_allclose(shown, enlarged(expected, 6, 6), atol=1e-12)
    assert (height, width) in {(6, 6), (4, 4)}
    with pytest.raises(Unexplainable, match="those that have: 0, 1, 2"):
        channel_layer(model, 4)
    with pytest.raises(Unexplainable, match="images"):
        channel_layer(model_of("binary"), None)


def test_an_enlarged_map_keeps_constants_and_slopes() -> None:
    np.testing.assert_allclose(enlarged(np.full((3, 2), 4.0), 7, 9), 4.0)
    np.testing.assert_allclose(enlarged(np.array([[0.0, 1.0]]), 1, 4)[0], [0, 0.25, 0.75, 1])


def test_occlusion_leaves_no_pixel_out() -> None:
    with pytest.raises(Unexplainable, match="leaves pixels out"):
        occlusion(lambda x: x[:, 0], np.ones(64), np.zeros(64), (8, 8, 1), OcclusionSpec(patch=2, stride=4))


def test_occlusion_finds_the_pixel_that_counts() -> None:
    def f(x):
        return 5 * x[:, 7]  # row 1, column 1 of 6 columns

    shown = occlusion(f, np.ones(36), np.zeros(36), (6, 6, 1), OcclusionSpec(patch=2, stride=1))
    assert shown[1, 1] == shown.max() == 5
    assert shown[3:, 3:].max() == 0
    alone = occlusion(f, np.ones(36), np.zeros(36), (6, 6, 1), OcclusionSpec(patch=1, stride=1))
    assert alone[1, 1] == alone.sum() == 5
    picture = Image.open(BytesIO(overlay(np.ones((6, 6, 1)), shown)))
    assert picture.size == (258, 258)
    red, _, blue = picture.getpixel((60, 60))
    assert red > blue


def test_nearest_rows_by_hand() -> None:
    rows = np.array([[0.0, 0.0], [3.0, 4.0], [1.0, 0.0], [1.0, 0.0]])
    indices, distances = nearest(rows, np.array([[0.0, 0.0]]), 9)
    assert indices.tolist() == [[0, 2, 3, 1]]
    assert distances.tolist() == [[0, 1, 1, 5]]


def test_a_wrong_label_among_clear_ones_is_suspect() -> None:
    p = np.array([[0.9, 0.1]] * 5 + [[0.1, 0.9]] * 5)
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    found = suspicion(p, labels)
    assert found.suspect.nonzero()[0].tolist() == [4]
    assert found.likely[4] == 0
    np.testing.assert_allclose(found.thresholds, [0.9, (0.1 + 5 * 0.9) / 6])


def test_counterfactuals_prefer_few_features_and_small_distances() -> None:
    values = np.array([[0.0], [1.0], [2.0], [3.0]])
    features = [Candidates(np.array([i]), values, values[:, 0].copy()) for i in range(3)]

    def margin(x):  # reached by one change of the first, or by those of two others together
        return np.where(x[:, 0] >= 2, 0, x[:, 1] + x[:, 2] - 5)

    found = counterfactuals(margin, np.zeros(3), features, 3, 2)
    one, two = found
    assert (one.choices, one.distance) == (((0, 2),), 2)
    assert {feature for feature, _ in two.choices} == {1, 2}  # not the first and one more
    assert two.distance == 5
    assert counterfactuals(lambda x: np.full(len(x), -1.0), np.zeros(3), features, 2, 2) == []


def test_a_margin_is_reached_where_the_prediction_is() -> None:
    p = np.random.default_rng(0).dirichlet(np.ones(4) / 2, 500)
    for kind, margin in (("ordinal", ordinal_margin), ("multiclass", class_margin)):
        target = ClassTarget(kind=kind, name="size", classes=("a", "b", "c", "d"))
        predicted = target.winners(p)
        for k in range(4):
            assert np.array_equal(margin(p, 0, k) >= 0, predicted == k)
            assert np.array_equal(margin(p, k, None) >= 0, predicted != k)


def test_values_that_occur_and_the_intervals_between_them() -> None:
    column = pl.Series("a", [5, 1, 1, 1, 2, 9, None])
    edges = observed(column, 3)
    assert edges.to_list() == [1, 2, 9] or edges.to_list() == [1, 9]
    assert intervals_of(pl.Series([1, 2, 3, 9]), pl.Series([1, 2, 9])).tolist() == [0, 0, 1, 1]
    assert spread(column, 5).to_list() == [1, 3, 5, 7, 9]
    assert observed(pl.Series("c", ["y", "x", "y"]), 2).to_list() == ["x", "y"]
