"""The kernels of numba against those in NumPy; all of it is skipped where numba is not installed."""

import numpy as np
import pytest
from kernel_calls import (
    SHAPES,
    WEIGHTINGS,
    adam,
    cross_entropy,
    error_sums,
    one_hot,
    relu,
    right_rows,
    squared_errors,
    values,
    weights,
)

from engine import kernels
from engine.kernels import Kernels, in_numpy
from engine.metrics import metric_for
from engine.network import Network, NetworkSpec
from engine.optimizers import AdamWSpec
from engine.randomness import Randomness
from engine.tasks import DEFAULT_LOSS, Task
from engine.training import Examples, NoValidation, Trainer, TrainingSpec

compiled = pytest.importorskip(
    "engine.kernels.in_numba", reason="numba is not installed", exc_type=ImportError
)

pytestmark = pytest.mark.slow

DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SCALES = pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-4, 1.0, 30.0, 1e4, 1e15])
LOGITS = pytest.mark.parametrize("scale", [0.0, 1e-30, 1e-4, 1.0, 30.0, 1e4])
TASKS = pytest.mark.parametrize("task", ["multiclass", "regression"])


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_chosen", kernels.chosen())


@DTYPES
class TestCompiled:
    """Of numba, against NumPy: the same to the last bit where nothing but the four operations is in them."""

    @SCALES
    @pytest.mark.parametrize("shape", [(1, 1), (32, 50), (3, 4, 5), (2, 3, 4, 5), (2, 1, 3, 2, 2)])
    def test_relu(self, dtype: type, scale: float, shape: tuple[int, ...]) -> None:
        x, dy = values(shape, dtype, scale), values(shape, dtype, seed=1)
        for one, other in zip(relu(compiled, x, dy), relu(in_numpy, x, dy), strict=True):
            np.testing.assert_array_equal(one, other)

    def test_relu_of_what_is_not_finite(self, dtype: type) -> None:
        x, dy = np.array([[np.nan, np.inf, -np.inf, -0.0]], dtype), np.ones((1, 4), dtype)
        for one, other in zip(relu(compiled, x, dy), relu(in_numpy, x, dy), strict=True):
            np.testing.assert_array_equal(one, other)

    @SCALES
    @SHAPES
    def test_add_bias(self, dtype: type, scale: float, shape: tuple[int, int]) -> None:
        y, b = values(shape, dtype, scale), values((1, shape[1]), dtype, scale, seed=1)
        expected = y + b
        compiled.add_bias(y, b)
        np.testing.assert_array_equal(y, expected)

    @SCALES
    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_adam(self, dtype: type, scale: float, size: int) -> None:
        p, g = values((size,), dtype), values((size,), dtype, scale, seed=1)
        for one, other in zip(adam(compiled, p, g), adam(in_numpy, p, g), strict=True):
            np.testing.assert_array_equal(one, other)

    @LOGITS
    @SHAPES
    @WEIGHTINGS
    def test_cross_entropy(self, dtype: type, scale: float, shape: tuple[int, int], weighted: bool) -> None:
        """The two exponentials differ by an ulp or two, and the sums by their order."""
        z, y, weight = values(shape, dtype, scale), one_hot(shape, dtype), weights(shape[0], dtype, weighted)
        cost, slopes = cross_entropy(compiled, z, y, weight)
        expected, expected_slopes = cross_entropy(in_numpy, z, y, weight)
        eps = float(np.finfo(dtype).eps)
        assert cost == pytest.approx(expected, rel=(4 + shape[0]) * eps, abs=4 * shape[0] * eps)
        np.testing.assert_allclose(slopes, expected_slopes, rtol=0, atol=8 * eps)

    @SCALES
    @SHAPES
    @WEIGHTINGS
    def test_squared_errors(self, dtype: type, scale: float, shape: tuple[int, int], weighted: bool) -> None:
        z, y = values(shape, dtype, scale), values(shape, dtype, scale, seed=1)
        weight = weights(shape[0], dtype, weighted)
        cost, slopes = squared_errors(compiled, z, y, weight)
        expected, expected_slopes = squared_errors(in_numpy, z, y, weight)
        eps = float(np.finfo(dtype).eps)
        assert cost == pytest.approx(expected, rel=(4 + shape[0] + shape[1]) * eps, abs=1e-44)
        np.testing.assert_array_equal(slopes, expected_slopes)

    @SCALES
    @SHAPES
    @WEIGHTINGS
    def test_right_rows(self, dtype: type, scale: float, shape: tuple[int, int], weighted: bool) -> None:
        z, y, weight = values(shape, dtype, scale), one_hot(shape, dtype), weights(shape[0], dtype, weighted)
        expected = right_rows(in_numpy, z, y, weight)
        assert right_rows(compiled, z, y, weight) == pytest.approx(expected, rel=1e-5)

    @SCALES
    @SHAPES
    def test_error_sums(self, dtype: type, scale: float, shape: tuple[int, int]) -> None:
        z, y = values(shape, dtype, scale), values(shape, dtype, scale, seed=1)
        w = np.random.default_rng(2).uniform(0, 3, shape[0]).astype(dtype)
        np.testing.assert_allclose(
            error_sums(compiled, z, y, w),
            error_sums(in_numpy, z, y, w),
            rtol=1e-4 if dtype is np.float32 else 1e-12,
            atol=shape[0] * scale * np.finfo(dtype).eps,
        )

    def test_what_comes_read_only_is_taken_too(self, dtype: type) -> None:
        x, zeros, y = values((3, 4), dtype), np.zeros((3, 4), dtype), np.empty((3, 4), dtype)
        x.flags.writeable = False
        compiled.relu(x, y, zeros)
        np.testing.assert_array_equal(y, np.maximum(x, 0))


@DTYPES
@WEIGHTINGS
@TASKS
def test_a_training_compiles_nothing(dtype: type, weighted: bool, task: Task) -> None:
    kernels.use("numba")
    before = {
        name: len(kernel.overloads) for name, kernel in vars(compiled).items() if hasattr(kernel, "overloads")
    }
    assert before.keys() == {name for name in vars(Kernels) if not name.startswith("_")} - {"NAME"}

    train(task, dtype, weights(10, dtype, weighted))

    assert before == {name: len(vars(compiled)[name].overloads) for name in before}


@TASKS
def test_a_training_ends_where_it_does_with_numpy(task: Task) -> None:
    kernels.use("numba")
    fast = train(task, np.float64, None)
    kernels.use("numpy")
    np.testing.assert_allclose(fast, train(task, np.float64, None), rtol=1e-9, atol=1e-12)


def train(task: Task, dtype: type, weight: np.ndarray | None) -> np.ndarray:
    """Two epochs on 10 rows, the last batch a partial one; the weights after them."""
    rng = np.random.default_rng(5)
    layers = [{"kind": "dense", "units": 6}, {"kind": "relu"}, {"kind": "dense"}]
    network = Network(
        NetworkSpec.model_validate({"layers": layers}).resolve(3), (4,), batch=4, rng=rng, dtype=dtype
    )
    network.init(rng)
    spec = TrainingSpec(epochs=2, batch_size=4, optimizer=AdamWSpec(), validation=NoValidation())
    loss = DEFAULT_LOSS[task].build((3,), batch=4, dtype=network.dtype)
    metric = metric_for(task, "identity", (3,), batch=4, dtype=dtype)
    examples = Examples(values((10, 4), dtype), one_hot((10, 3), dtype), weight)
    for _ in Trainer(spec, network, loss, metric, Randomness(0)).run(examples, examples):
        pass
    return network.theta
