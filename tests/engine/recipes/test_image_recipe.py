"""The recipe for images: what it is for images of some size, and what becomes of images of another one."""

import io
from base64 import b64encode

import numpy as np
import polars as pl
import pytest
from PIL import Image

from engine.encoding.array_columns import series_of
from engine.encoding.records import frame_from_records
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.recipes import images
from engine.training import TrainingSpec

ROWS = 40
CHANCE = np.random.default_rng(0)
LABELS = pl.Series("label", ["a", "b"] * (ROWS // 2))


def table(*shape: int, **others: pl.Series) -> Table:
    pixels = CHANCE.integers(0, 256, (ROWS, *shape), np.uint8)
    frame = pl.DataFrame([series_of("image", pixels), LABELS, *others.values()])
    return Table(frame, {"image": "image", "label": "categorical", **dict.fromkeys(others, "numeric")})


def fitting(data: Table, network: NetworkSpec | None = None, **training: object) -> Fitting:
    return Fitting(data, GoalSpec(target="label"), network, TrainingSpec.model_validate(training))


def trained(made: Fitting) -> Model:
    for _ in made.run():
        pass
    return Model.from_bytes(made.model.to_bytes())


def png(pixels: np.ndarray) -> str:
    Image.fromarray(pixels).save(buffer := io.BytesIO(), "PNG")
    return b64encode(buffer.getvalue()).decode()


def test_small_images_keep_their_size() -> None:
    made = fitting(table(16, 8, 3))
    kinds = [layer.kind for layer in made.network_spec.layers]
    assert kinds[:5] == ["random_shift", "random_rotation", "conv2d", "batch_normalization", "relu"]
    assert (kinds.count("residual"), kinds[-2:]) == (3, ["global_average_pool", "dense"])
    assert made.network_spec.layers[0].pixels == (2, 1)
    assert made.plan.input_shape == [16, 8, 3]
    assert made.plan.quality == "recommended"
    assert "a small residual network for images of 8 x 16 pixels" in made.plan.notes[0]
    own = TrainingSpec().model_dump() | {
        name: getattr(made.training, name)
        for name in ("epochs", "batch_size", "drop_last", "optimizer", "schedule", "early_stopping")
    }
    assert made.training.model_dump() == TrainingSpec.model_validate(own).model_dump()


def test_many_images_are_seen_in_fewer_epochs_and_not_turned() -> None:
    few, many = (images.recipe("multiclass", (32, 32, 3), rows, "recommended") for rows in (1_000, 50_000))
    assert few.training["epochs"] > many.training["epochs"] > 1
    assert [layer.kind for layer in many.network(()).layers[:2]] == ["random_shift", "conv2d"]


@pytest.mark.parametrize("quality", ["fast", "high"])
def test_a_quality_is_a_size(quality: str) -> None:
    made = Fitting(table(12, 12, 1), GoalSpec(target="label", quality=quality))
    usual = fitting(table(12, 12, 1))
    sizes = [one.plan.network.parameters for one in (made, usual)]
    assert (sizes[0] < sizes[1]) is (quality == "fast")


@pytest.mark.parametrize(
    ("shape", "first"),
    [
        ((8, 8), ["reshape", "random_shift"]),
        ((16, 12, 2), ["random_shift", "random_rotation"]),
        ((40, 3), ["parallel", "dense"]),  # steps of three numbers
        ((100, 80), ["parallel", "dense"]),
        ((300,), ["pbld"]),
        ((4, 4, 4), ["flatten", "pbld"]),
    ],
)
def test_arrays_are_taken_for_what_they_look_like(shape: tuple[int, ...], first: list[str]) -> None:
    column = series_of("a", CHANCE.normal(size=(ROWS, *shape)).astype(np.float32))
    data = Table(pl.DataFrame([column, LABELS]), {"a": "array", "label": "categorical"})
    made = fitting(data, epochs=1, batch_size=16)
    assert [layer.kind for layer in made.network_spec.layers[: len(first)]] == first
    again = Fitting(data, made.goal.model_copy(update={"quality": None}), made.network_spec, made.training)
    assert trained(again).features[0].shape == shape


def test_beside_other_columns_an_image_is_numbers_of_a_table() -> None:
    made = fitting(table(4, 4, 1, n=pl.Series("n", np.arange(ROWS))))
    assert made.network_spec.layers[0].kind == "pbld"


def test_large_images_are_made_smaller_and_other_sizes_are_brought_to_the_same() -> None:
    data = table(96, 48, 1)
    made = fitting(data, epochs=1)
    assert made.plan.input_shape == [64, 32, 1]
    # As a job trains it again: with everything filled in
    again = Fitting(data, made.goal.model_copy(update={"quality": None}), made.network_spec, made.training)
    assert again.encoder == made.encoder
    model = trained(made)
    assert model.features[0].shape == (64, 32, 1)
    large = CHANCE.integers(0, 256, (50, 70), np.uint8)
    small = np.asarray(Image.fromarray(large).resize((32, 64), Image.Resampling.BILINEAR))
    coloured = np.stack([large] * 3, axis=-1)
    sent = [png(large), large.tolist(), png(small), small[..., None].tolist(), coloured.tolist()]
    records, _ = frame_from_records([{"image": value} for value in sent], model.features)
    answers = model.predict(records)
    assert all(answer == answers[0] for answer in answers)
    frame = pl.DataFrame([series_of("image", large[None, ..., None])])  # as a data set to be evaluated on
    assert model.predict(frame) == answers[:1]


def test_images_are_brought_to_what_a_given_network_takes() -> None:
    dense = {"kind": "dense"}
    given = {"input_shape": [5, 7, 1], "layers": [{"kind": "flatten"}, dense]}
    made = fitting(table(12, 12, 3), NetworkSpec.model_validate(given))
    assert (made.plan.input_shape, made.plan.training.epochs) == ([5, 7, 1], TrainingSpec().epochs)
    given = {"layers": [{"kind": "reshape", "shape": [24, 18, 1]}, {"kind": "flatten"}, dense]}
    assert fitting(table(12, 12, 3), NetworkSpec.model_validate(given)).plan.input_shape == [12, 12, 3]
