"""Scales and the forms of categories against formulas written out again."""

import numpy as np
import polars as pl
import pytest
from sklearn.preprocessing import QuantileTransformer

from engine.encoding.column_encoders import BooleanEncoder, CategoricalEncoder
from engine.encoding.scales import QuantileScale, Scale
from engine.encoding.table import TableEncoder

RNG = np.random.default_rng(3)


def robust(values):
    low, q1, center, q3, high = np.quantile(values, (0, 0.25, 0.5, 0.75, 1))
    spread = q3 - q1 or (high - low) / 2
    u = (values - center) / spread if spread else np.zeros_like(values)
    return u / np.sqrt(1 + (u / 3) ** 2)


@pytest.mark.parametrize(
    "values",
    [
        RNG.standard_normal(3000),
        RNG.exponential(size=1000) * 1e6,
        RNG.integers(0, 4, 500).astype(float),
        np.where(RNG.random(900) < 0.7, 0.0, RNG.standard_normal(900)),
        np.array([3.0, 1.0, 2.0]),
    ],
    ids=["normal", "skewed", "few values", "often zero", "three rows"],
)
def test_quantile_scale_is_that_of_scikit_learn(values):
    wanted = max(min(len(values) // 30, 1000), 10)
    transformer = QuantileTransformer(
        n_quantiles=min(wanted, len(values)), output_distribution="normal", subsample=None
    )
    scale = QuantileScale.fit(values)
    new = np.concatenate([values, [values.min() - 1, values.max() + 1, np.median(values)]])
    if len(values) >= wanted:
        expected = transformer.fit(values[:, None]).transform(new[:, None])[:, 0]
        tied = np.isin(new, [q for q, n in zip(scale.quantiles, scale.repeats, strict=True) if n > 1])
        outside = np.isin(new, (values.min(), values.max())) & tied  # there scikit-learn goes to the very end
        outside |= (new < values.min()) | (new > values.max())
        np.testing.assert_allclose(scale(new)[~outside], expected[~outside], atol=2e-4)
    again = QuantileScale.model_validate_json(scale.model_dump_json())
    assert again(new).tobytes() == scale(new).tobytes()
    assert np.abs(scale(new)).max() <= 5.2
    order = np.argsort(new)
    assert (np.diff(scale(new)[order]) >= 0).all()


def test_a_constant_is_zero_under_every_scale():
    values = np.full(40, 7.0)
    for scale in (QuantileScale.fit(values), Scale.fit(values, "robust"), QuantileScale.fit(values[:0])):
        assert scale.is_constant
        assert (scale(np.array([7.0, 8.0, -1e300])) == 0).all()


@pytest.mark.parametrize("scaling", ["standard", "robust"])
def test_what_is_beyond_all_numbers_is_clipped(scaling):
    scale = Scale.fit(np.array([6e-150, 6e-150, 7e-150]), scaling)
    far = scale(np.array([1e200, -1e200]))
    assert np.isfinite(far).all()
    assert far[0] == -far[1] == (1e6 if scaling == "standard" else pytest.approx(3))


def encoded(series, kind, scaling="robust"):
    frame = pl.DataFrame({"c": series})
    encoder, _ = TableEncoder.fit(frame, {"c": kind}, ["c"], scaling=scaling, categories="by_size")
    return encoder, encoder.encode(frame)


def test_up_to_8_categories_are_one_hot_and_scaled_and_missing_is_no_category():
    series = ["b", "a", None, "c", "a", "a", "a", "b"]
    encoder, x = encoded(series, "categorical")
    hot = np.array([[value == name for name in "abc"] for value in series], float)
    expected = np.column_stack([robust(column) for column in hot.T])
    np.testing.assert_allclose(x, expected, atol=1e-6)
    unknown = encoder.encode(pl.DataFrame({"c": ["nowhere"]}))
    np.testing.assert_allclose(unknown[0], x[2])


def test_two_categories_are_a_sign_and_missing_is_between():
    series = ["no", "yes", None, "no", "no", "yes", "no"]
    encoder, x = encoded(series, "categorical")
    signs = np.array([{"no": -1, "yes": 1, None: 0}[value] for value in series], float)
    np.testing.assert_allclose(x[:, 0], robust(signs), atol=1e-6)
    _, plain = encoded(series, "categorical", scaling="standard")
    np.testing.assert_allclose(plain[:, 0], signs)
    _, of_booleans = encoded([None if v is None else v == "yes" for v in series], "boolean")
    np.testing.assert_allclose(of_booleans, x)
    assert encoder.width == 1


@pytest.mark.parametrize(("categories", "form"), [(1, "one_hot"), (2, "sign"), (8, "one_hot"), (9, "code")])
def test_the_number_of_categories_decides_the_form(categories, form):
    series = pl.Series("c", [f"k{i % categories}" for i in range(40)])
    assert CategoricalEncoder.fit_by_size(series, None).form == form


def test_more_have_a_code_from_1():
    names = [f"k{i:02}" for i in range(12)]
    series = [*names, None, "k03"]
    encoder, x = encoded(series, "categorical")
    assert x[:, 0].tolist() == [*range(1, 13), 0, 4]
    assert encoder.encode(pl.DataFrame({"c": ["other"]})).tolist() == [[0]]
    assert encoder.blocks == (("code", 1, 13),)


def test_encoders_of_older_models_still_load():
    old = '{"kind":"categorical","name":"c","marks_missing":true,"categories":["a","b"]}'
    encoder = CategoricalEncoder.model_validate_json(old)
    assert encoder.output_names == ("c = a", "c = b", "c missing")
    assert (
        BooleanEncoder.model_validate_json('{"kind":"boolean","name":"c","marks_missing":false}').scale
        is None
    )
    out = np.zeros((3, 3), np.float32)
    encoder.encode(pl.Series("c", ["b", None, "z"]), out)
    assert out.tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]
