"""Local response normalisation against ONNX, which divides alpha by n."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from one_layer import network_of
from onnx_node import channels_first, channels_last, reference, runtime
from pydantic import ValidationError

from engine.arrays import Array
from engine.layers.normalization.local_response import LocalResponseNormalizationSpec
from engine.spec import InvalidSpec


def forward(spec: LocalResponseNormalizationSpec, x: Array) -> Array:
    network = network_of(spec, in_shape=x.shape[1:], dtype=x.dtype.type, batch=len(x))
    return network.forward(x).copy()


def draw(channels: int, rows: int = 2, dtype: type = np.float64) -> Array:
    return (3 * np.random.default_rng(3).standard_normal((rows, 3, 4, channels))).astype(dtype)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 11])
@pytest.mark.parametrize("channels", [1, 4, 9])
def test_against_the_reference_of_onnx(n: int, channels: int) -> None:
    """Constants that float32 holds, as ONNX stores them; as many rows as channels: it counts one for the other."""
    x = draw(channels, rows=channels)
    spec = LocalResponseNormalizationSpec(n=n, k=1.5, alpha=0.25, beta=0.625)
    options = {"size": n, "bias": 1.5, "alpha": 0.25 * n, "beta": 0.625}
    [expected] = reference("LRN", {"X": channels_first(x)}, opset=13, **options)
    np.testing.assert_allclose(forward(spec, x), channels_last(expected), rtol=1e-12)


def test_alexnet_against_onnxruntime() -> None:
    x = draw(96, dtype=np.float32)
    [expected] = runtime("LRN", {"X": channels_first(x)}, opset=13, size=5, bias=2.0, alpha=5e-4, beta=0.75)
    np.testing.assert_allclose(
        forward(LocalResponseNormalizationSpec(), x), channels_last(expected), rtol=1e-5
    )


@settings(max_examples=30, deadline=None, derandomize=True)
@given(n=st.integers(1, 9), beta=st.floats(0, 2), factor=st.floats(1.1, 100))
def test_strong_responses_of_neighbours_only_quieten(n: int, beta: float, factor: float) -> None:
    spec = LocalResponseNormalizationSpec(n=n, alpha=0.3, beta=beta)
    x = np.abs(draw(6))
    louder = x.copy()
    louder[..., 2] *= factor
    others = [0, 1, 3, 4, 5]
    assert (forward(spec, louder)[..., others] <= forward(spec, x)[..., others] * (1 + 1e-12)).all()


def test_without_alpha_it_is_a_constant_factor() -> None:
    x = draw(5)
    y = forward(LocalResponseNormalizationSpec(alpha=0, k=4, beta=0.5), x)
    np.testing.assert_allclose(y, x / 2, rtol=1e-12)


def test_single_numbers_do_not_go_in() -> None:
    with pytest.raises(InvalidSpec):
        LocalResponseNormalizationSpec().build(())


@pytest.mark.parametrize("fields", [{"n": 0}, {"k": 0}, {"k": 1e-40}, {"alpha": -1}, {"beta": -1}])
def test_bounds(fields) -> None:
    with pytest.raises(ValidationError):
        LocalResponseNormalizationSpec(**fields)
