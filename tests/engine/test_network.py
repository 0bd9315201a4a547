"""Networks: shapes, what is filled in, the flat vectors, errors that name the layer, and the summary."""

import tracemalloc

import numpy as np
import pytest
from pydantic import ValidationError

from engine.arrays import CACHE_LINE, zeros
from engine.initializers import (
    GlorotUniformSpec,
    HeNormalSpec,
    InitializerSpec,
    LecunNormalSpec,
    NormalSpec,
    OrthogonalSpec,
)
from engine.layers import LayerSpec
from engine.layers.activations.base import IdentitySpec, SigmoidSpec, TanhSpec
from engine.layers.activations.rectifiers import ReluSpec, SeluSpec
from engine.layers.activations.softmax import SoftmaxSpec
from engine.layers.dense import DenseSpec
from engine.layers.dropout import DropoutSpec
from engine.layers.flatten import FlattenSpec
from engine.network import Network, NetworkSpec
from engine.spec import InvalidSpec
from engine.summary import summarize


def spec_of(*layers: LayerSpec, input_shape: tuple[int, ...] | None = None) -> NetworkSpec:
    return NetworkSpec(layers=layers, input_shape=input_shape)


def built(spec: NetworkSpec, in_shape: tuple[int, ...], seed: int = 0, **options: object) -> Network:
    network = Network(spec, in_shape, batch=4, rng=np.random.default_rng(seed), **options)
    network.init(np.random.default_rng(seed))
    return network


SMALL = spec_of(DenseSpec(units=5), ReluSpec(), DropoutSpec(), DenseSpec()).resolve(2)


class TestResolve:
    def test_the_last_dense_gets_the_outputs(self) -> None:
        resolved = spec_of(DenseSpec(units=5), ReluSpec(), DenseSpec(), SoftmaxSpec()).resolve(3)
        assert [layer.units for layer in resolved.layers if isinstance(layer, DenseSpec)] == [5, 3]

    def test_only_the_last_dense_gets_the_outputs(self) -> None:
        resolved = spec_of(DenseSpec(), DenseSpec()).resolve(3)
        assert [layer.units for layer in resolved.layers] == [None, 3]

    def test_units_that_are_given_stay(self) -> None:
        assert spec_of(DenseSpec(units=5)).resolve(3).layers[0].units == 5

    @pytest.mark.parametrize(
        ("after", "start"),
        [
            ((ReluSpec(),), HeNormalSpec()),
            ((DropoutSpec(), FlattenSpec(), ReluSpec()), HeNormalSpec()),
            ((SeluSpec(),), LecunNormalSpec()),
            ((TanhSpec(),), GlorotUniformSpec()),
            ((), GlorotUniformSpec()),
            ((DropoutSpec(),), GlorotUniformSpec()),
            ((DenseSpec(units=1), ReluSpec()), GlorotUniformSpec()),
            ((IdentitySpec(), DenseSpec(units=1), ReluSpec()), GlorotUniformSpec()),
        ],
    )
    def test_what_follows_decides_the_start(
        self, after: tuple[LayerSpec, ...], start: InitializerSpec
    ) -> None:
        assert spec_of(DenseSpec(units=1), *after).resolve(1).layers[0].weight_initializer == start

    def test_a_start_that_is_given_stays(self) -> None:
        dense = DenseSpec(units=1, weight_initializer=OrthogonalSpec())
        assert spec_of(dense, ReluSpec()).resolve(1).layers[0] == dense

    def test_twice_changes_nothing(self) -> None:
        assert SMALL.resolve(9) == SMALL


class TestErrors:
    @pytest.mark.parametrize(
        ("spec", "in_shape", "path", "says"),
        [
            (spec_of(ReluSpec(), DenseSpec(units=1)), (2, 2), ("layers", 1), "put a flatten layer before it"),
            (spec_of(DenseSpec(), DenseSpec(units=1)), (2,), ("layers", 0, "units"), "only the last dense"),
            (spec_of(DenseSpec(units=1), input_shape=(3,)), (2,), ("input_shape",), r"\[3\].*\[2\]"),
        ],
    )
    def test_path(
        self, spec: NetworkSpec, in_shape: tuple[int, ...], path: tuple[str | int, ...], says: str
    ) -> None:
        for build in (spec.build, lambda shape: summarize(spec, shape), lambda shape: built(spec, shape)):
            with pytest.raises(InvalidSpec, match=says) as caught:
                build(in_shape)
            assert caught.value.path == path

    def test_under(self) -> None:
        error = InvalidSpec("no", ("units",)).under("layers", 2).under("network")
        assert error.path == ("network", "layers", 2, "units")
        assert str(error) == "no"

    @pytest.mark.parametrize(
        "wrong",
        [
            {"layers": []},
            {"layers": [{"kind": "relu"}] * 1001},
            {"layers": [{"kind": "dense", "units": 0}]},
            {"layers": [{"kind": "dense", "units": 1.5}]},
            {"layers": [{"kind": "dense", "unit": 1}]},
            {"layers": [{"kind": "dence"}]},
            {"layers": [{}]},
            {"layers": [{"kind": "relu"}], "input_shape": [0]},
            {"layers": [{"kind": "relu"}], "input_shape": [1] * 9},
        ],
    )
    def test_malformed(self, wrong: dict) -> None:
        with pytest.raises(ValidationError):
            NetworkSpec.model_validate(wrong)


class TestFlatVectors:
    def test_segments_cover_theta(self) -> None:
        network = built(SMALL, (3,))
        assert [(s.name, s.slice, s.shape, s.decay) for s in network.segments] == [
            ("0.W", slice(0, 15), (3, 5), True),
            ("0.b", slice(15, 20), (5,), False),
            ("3.W", slice(20, 30), (5, 2), True),
            ("3.b", slice(30, 32), (2,), False),
        ]
        assert network.theta.shape == network.grad.shape == (32,)
        assert network.state.shape == (0,)

    def test_layers_see_theta(self) -> None:
        """y = x W + b with W and b written into the flat vector."""
        network = built(spec_of(DenseSpec()).resolve(2), (3,), dtype=np.float64)
        W, b = np.arange(6.0).reshape(3, 2), np.array([10.0, 20.0])
        network.theta[:] = [*W.ravel(), *b]
        x = np.array([[1.0, 2.0, 3.0]])
        np.testing.assert_array_equal(network.forward(x), x @ W + b)

    def test_gradients_are_overwritten(self) -> None:
        network = built(SMALL, (3,))
        x, d = np.ones((4, 3), np.float32), np.ones((4, 2), np.float32)
        gradients = []
        for _ in range(2):
            network.forward(x)
            network.backward(d.copy())
            gradients.append(network.grad.copy())
        np.testing.assert_array_equal(*gradients)

    def test_without_parameters(self) -> None:
        network = built(spec_of(TanhSpec(), FlattenSpec()), (2, 2))
        y = network.forward(np.ones((1, 2, 2), np.float32))
        network.backward(y.copy())
        assert y.shape == (1, 4)
        assert network.theta.size == 0


class TestStart:
    def test_one_seed_one_start(self) -> None:
        one, same, other = built(SMALL, (3,), 1), built(SMALL, (3,), 1), built(SMALL, (3,), 2)
        assert one.theta.tobytes() == same.theta.tobytes()
        assert one.theta.tobytes() != other.theta.tobytes()

    def test_precisions_start_alike(self) -> None:
        double = built(SMALL, (3,), dtype=np.float64)
        np.testing.assert_array_equal(built(SMALL, (3,)).theta, double.theta.astype(np.float32))

    def test_weights_and_biases_have_their_own(self) -> None:
        dense = DenseSpec(units=2, bias_initializer=NormalSpec(mean=100))
        network = built(spec_of(dense).resolve(2), (3,))
        assert np.abs(network.theta[:6]).max() < (6 / (3 + 2)) ** 0.5  # Glorot's bound
        np.testing.assert_allclose(network.theta[6:], 100, atol=1)

    def test_rows_reach_every_layer(self) -> None:
        """With rows to look at the parameters are drawn as without them."""
        network = built(SMALL, (3,))
        drawn = network.theta.copy()
        network.init(np.random.default_rng(0), np.ones((4, 3), np.float32))
        np.testing.assert_array_equal(network.theta, drawn)


class TestInputGradient:
    layers = spec_of(SigmoidSpec(), DenseSpec(units=3), TanhSpec(), DenseSpec()).resolve(2)

    def test_left_out_where_nobody_asks(self) -> None:
        """The parameters' gradients are the same, and the unread one is not computed from garbage."""
        x = np.random.default_rng(0).standard_normal((4, 3)).astype(np.float32)
        with_it, without = (
            built(self.layers, (3,), input_gradient=True),
            built(self.layers, (3,), input_gradient=False),
        )
        for network in (with_it, without):
            network.forward(x)
            network.backward(np.ones((4, 2), np.float32))
        np.testing.assert_array_equal(with_it.grad, without.grad)
        assert [layer.input_gradient for layer in without.layers] == [False, False, True, True]


class TestSummary:
    def test_by_hand(self) -> None:
        summary = summarize(SMALL, (3,), batch=10, slots=2)
        assert (summary.input_shape, summary.output_shape) == ([3], [2])
        assert [layer.kind for layer in summary.layers] == ["dense", "relu", "dropout", "dense"]
        assert [layer.output_shape for layer in summary.layers] == [[5], [5], [5], [2]]
        assert [layer.parameters for layer in summary.layers] == [20, 0, 0, 12]
        assert [layer.multiply_adds for layer in summary.layers] == [15, 0, 0, 10]
        assert [layer.bytes for layer in summary.layers] == [80, 0, 0, 48]
        assert (summary.parameters, summary.multiply_adds, summary.bytes) == (32, 25, 128)
        assert summary.layers[0].formula == DenseSpec.formula

    @pytest.mark.parametrize(
        "layer", [DenseSpec(units=40), ReluSpec(), SeluSpec(), SoftmaxSpec(), DropoutSpec()]
    )
    def test_memory_is_what_is_allocated(self, layer: LayerSpec) -> None:
        """Nearly nothing more, and at most two fifths less."""
        spec, width, batch = spec_of(layer).resolve(40), 30, 2000
        estimate = summarize(spec, (width,), batch=batch, slots=0).training_bytes
        tracemalloc.start()
        try:
            network = Network(spec, (width,), batch=batch, rng=np.random.default_rng(0), input_gradient=True)
            allocated, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert network.batch == batch
        assert 0.95 * allocated < estimate < 1.4 * allocated

    def test_huge_networks_cost_nothing_to_summarize(self) -> None:
        huge = 10**400
        spec = spec_of(DenseSpec(units=huge), ReluSpec(), DenseSpec(units=huge), ReluSpec(), DenseSpec())
        tracemalloc.start()
        try:
            summary = summarize(spec.resolve(2), (3,))
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert summary.parameters == 3 * huge + huge + huge * huge + huge + huge * 2 + 2
        assert summary.training_bytes > 4 * summary.parameters
        assert str(huge) in summary.model_dump_json()
        assert peak < 1_000_000


@pytest.mark.parametrize("values", [0, 1, 33, 300_000])
def test_long_vectors_begin_where_a_cache_line_does(values):
    for dtype in (np.float32, np.float64):
        vector = zeros(values, dtype)
        assert (vector.shape, vector.dtype, vector.any()) == ((values,), dtype, False)
        assert not values or vector.ctypes.data % CACHE_LINE == 0
        assert vector.flags.c_contiguous
        assert vector.flags.writeable
