"""Images and arrays as columns: typed, encoded, learned from, kept with a model and read from a prediction."""

from base64 import b64encode

import numpy as np
import polars as pl
import pytest

from engine.encoding import Feature, InvalidValue, UnreadableTable
from engine.encoding.array_columns import series_of
from engine.encoding.array_encoder import ArrayEncoder
from engine.encoding.columns import infer
from engine.encoding.pictures import png_base64
from engine.encoding.records import frame_from_records
from engine.encoding.table import TableEncoder
from engine.fitting import Fitting, Table
from engine.goal import GoalSpec
from engine.model import Model
from engine.network import NetworkSpec
from engine.optimizers import AdamSpec
from engine.training import TrainingSpec

CHANCE = np.random.default_rng(0)
PIXELS = CHANCE.integers(0, 256, (40, 4, 5, 3), np.uint8)
IMAGE = Feature(name="a", type="image", shape=(4, 5, 3))
ARRAY = Feature(name="a", type="array", shape=(2, 3))


def test_the_dtype_says_what_a_column_of_arrays_is() -> None:
    frame = pl.DataFrame(
        [
            series_of("image", PIXELS),
            series_of("five channels", PIXELS.swapaxes(2, 3)),
            series_of("whole", np.zeros((40, 2), np.int64)),
        ]
    )
    typed, types, _ = infer(frame)
    assert types == {"image": "image", "five channels": "array", "whole": "array"}
    assert typed.dtypes == [
        pl.Array(pl.UInt8, (4, 5, 3)),
        pl.Array(pl.Float32, (4, 3, 5)),
        pl.Array(pl.Float32, (2,)),
    ]
    holed = pl.DataFrame({"a": pl.Series([[1.0, 2.0], [1.0, None]], dtype=pl.Array(pl.Float64, 2))})
    with pytest.raises(UnreadableTable, match="missing or infinite number in the array of row 2"):
        infer(holed)


@pytest.mark.parametrize("scaling", ["standard", "unit", "none"])
def test_an_image_is_scaled_by_channel(scaling) -> None:
    column = series_of("a", PIXELS)
    encoder, _ = TableEncoder.fit(pl.DataFrame([column]), {"a": "image"}, ["a"], scaling=scaling)
    values = PIXELS.astype(np.float64)
    expected = {
        "standard": (values - values.mean(axis=(0, 1, 2))) / values.std(axis=(0, 1, 2)),
        "unit": values / 255,
        "none": values,
    }[scaling]
    x = encoder.encode(pl.DataFrame([column]))
    assert (encoder.shape, x.shape) == ((4, 5, 3), (40, 60))
    np.testing.assert_allclose(x.reshape(PIXELS.shape), expected, rtol=1e-6, atol=1e-6)
    assert encoder.output_names[:4] == ("a[0,0,0]", "a[0,0,1]", "a[0,0,2]", "a[0,1,0]")
    again = TableEncoder.model_validate_json(encoder.model_dump_json())
    assert np.array_equal(again.encode(pl.DataFrame([column])), x)


def test_a_missing_array_is_as_if_it_held_the_means_and_a_constant_is_zero() -> None:
    values = CHANCE.normal(3, 2, (20, 6, 2)).astype(np.float32)
    values[..., 1] = 7
    column = pl.Series("a", [None, *values.tolist()], pl.Array(pl.Float32, (6, 2)))
    encoder = ArrayEncoder.fit_scaled(column, "array", "standard")
    encoder.encode(column, out := np.zeros((21, 12), np.float32))
    assert not out[0].any()
    assert not out[:, 1::2].any()
    np.testing.assert_allclose(out[1:, ::2].std(), 1, rtol=1e-5)


def test_images_beside_other_columns_make_flat_rows() -> None:
    frame = pl.DataFrame([series_of("a", PIXELS), pl.Series("n", range(40))])
    encoder, _ = TableEncoder.fit(frame, {"a": "image", "n": "numeric"}, ["a", "n"])
    assert (encoder.shape, encoder.encode(frame).shape) == ((61,), (40, 61))


def test_values_of_another_shape_are_refused() -> None:
    values = PIXELS.astype(np.float32)
    encoder, _ = TableEncoder.fit(pl.DataFrame([series_of("a", values)]), {"a": "array"}, ["a"])
    with pytest.raises(
        UnreadableTable, match=r"values of shape \[4, 4, 3\], but the model takes \[4, 5, 3\]"
    ):
        encoder.encode(pl.DataFrame([series_of("a", values[:, :, :4])]))


def test_an_image_is_read_from_base64_and_from_lists() -> None:
    sent = png_base64(PIXELS[0])
    values = [sent, f"data:image/png;base64,{sent}", PIXELS[0].tolist(), None]
    frame, warnings = frame_from_records([{"a": value} for value in values], [IMAGE])
    assert all(np.array_equal(frame["a"][row].to_numpy(), PIXELS[0]) for row in range(3))
    assert frame["a"].to_list()[3] is None
    assert warnings == [[], [], [], ["a is missing"]]


@pytest.mark.parametrize(
    ("feature", "value", "sentence"),
    [
        (IMAGE, "no image", "a is no image: it is not base64"),
        (IMAGE, b64encode(b"GIF89a").decode(), "a is no image: it is no PNG or JPEG file"),
        (IMAGE, 3, "nested lists of 4 x 5 x 3 numbers or a PNG or JPEG file in base64 expected in a, got 3"),
        (IMAGE, [[[1, 2], [3, 4]]], "got lists of 1 x 2 x 2"),
        (IMAGE, [[], []], "got lists of 2 x 0"),
        (IMAGE, (PIXELS[0].astype(int) + 1000).tolist(), "a pixel's values go from 0 to 255"),
        (ARRAY, "x", "nested lists of 2 x 3 numbers expected in a, got 'x'"),
        (ARRAY, [[1, 2], [3, 4]], "got lists of 2 x 2"),
        (ARRAY, [[1, 2, 3], [4, 5]], "got lists of other things"),
        (ARRAY, [[1, 2, 3], [4, 5, None]], "nested lists of 2 x 3 numbers expected"),
        (ARRAY, [[1, 2, 3], [4, 5, True]], "nested lists of 2 x 3 numbers expected"),
        (ARRAY, [[1, 2, 3], [4, 5, 1e300]], "a number that is too large"),
    ],
)
def test_what_is_no_value(feature: Feature, value: object, sentence: str) -> None:
    with pytest.raises(InvalidValue) as raised:
        frame_from_records([{"a": None}, {"a": value}], [feature])
    assert (raised.value.row, raised.value.column) == (1, "a")
    assert sentence in raised.value.detail


def test_a_convolution_learns_from_images_and_is_kept() -> None:
    """Bright images from dark ones: the network sees (height, width, channels), without a reshape."""
    bright = np.arange(40) % 2
    pixels = (PIXELS // 2 + 127 * bright[:, None, None, None]).astype(np.uint8)
    frame = pl.DataFrame([series_of("image", pixels), pl.Series("label", ["dark", "bright"] * 20)])
    layers = [{"kind": "conv2d", "filters": 2, "kernel_size": 3}, {"kind": "flatten"}, {"kind": "dense"}]
    network = NetworkSpec.model_validate({"layers": layers})
    table = Table(frame, {"image": "image", "label": "categorical"})
    fitting = Fitting(
        table,
        GoalSpec(target="label"),
        network,
        TrainingSpec(epochs=30, batch_size=8, optimizer=AdamSpec(learning_rate=0.03)),
    )
    assert fitting.plan.input_shape == [4, 5, 3]
    for _ in fitting.run():
        pass
    model = Model.from_bytes(fitting.model.to_bytes())
    assert model.features == (Feature(name="image", type="image", shape=(4, 5, 3)),)
    records, _ = frame_from_records([{"image": png_base64(image)} for image in pixels], model.features)
    assert [answer["label"] for answer in model.predict(records)] == frame["label"].to_list()


def test_the_recommended_network_takes_arrays() -> None:
    frame = pl.DataFrame([series_of("a", PIXELS.astype(np.float32)), pl.Series("label", ["a", "b"] * 20)])
    fitting = Fitting(Table(frame, {"a": "array", "label": "categorical"}), GoalSpec(target="label"))
    assert (fitting.plan.input_shape, fitting.network_spec.layers[0].kind) == ([4, 5, 3], "flatten")
