"""Networks for images: parameters counted by hand, and one step of training each."""

import numpy as np
import pytest
from pydantic import ValidationError

from engine.losses import CrossEntropySpec
from engine.network import Network
from engine.optimizers import SgdSpec
from engine.spec import InvalidSpec
from engine.summary import summarize
from engine.templates import AlexnetSpec, Lenet5Spec, NeocognitronSpec, ResnetSmallSpec, VggSpec


def parameters(template, outputs=10):
    network = template.build()
    return summarize(network.resolve(outputs), network.row_shape).parameters


def conv(kernel, channels, filters, *, bias=True):
    return kernel**2 * channels * filters + bias * filters


def dense(inputs, units):
    return (inputs + 1) * units


def test_alexnet_in_one_tower_and_in_two():
    assert parameters(AlexnetSpec(), 1000) == 62_378_344
    assert parameters(AlexnetSpec(groups=2), 1000) == 60_965_224


def test_alexnet_of_a_quarter_of_the_width():
    expected = conv(11, 3, 24) + conv(5, 24, 64) + conv(3, 64, 96) + conv(3, 96, 96) + conv(3, 96, 64)
    expected += dense(6 * 6 * 64, 1024) + dense(1024, 1024) + dense(1024, 10)
    assert parameters(AlexnetSpec(width=0.25)) == expected


def test_alexnet_of_the_least_width_keeps_its_groups():
    filters = [
        layer.filters for layer in AlexnetSpec(width=1e-6, groups=2).layers() if layer.kind == "conv2d"
    ]
    assert filters == [2] * 5


def test_alexnet_for_images_that_are_too_small():
    network = AlexnetSpec(input_shape=(66, 66, 1)).build()
    with pytest.raises(InvalidSpec) as error:
        network.resolve(10).build((66, 66, 1))
    assert error.value.path[0] == "layers"
    assert parameters(AlexnetSpec(input_shape=(67, 67, 1), width=0.01)) > 0
    assert parameters(AlexnetSpec(input_shape=(8, 8, 1), upscale=9, width=0.01)) > 0


@pytest.mark.parametrize("sides", [28, 32])
def test_lenet_by_hand(sides):
    expected = conv(5, 1, 6) + conv(5, 6, 16) + dense(5 * 5 * 16, 120) + dense(120, 84) + dense(84, 10)
    assert expected == 61_706
    assert parameters(Lenet5Spec(input_shape=(sides, sides, 1))) == expected


def test_vgg_16():
    vgg16 = VggSpec(
        input_shape=(224, 224, 3),
        filters=(64, 128, 256, 512, 512),
        convolutions=(2, 2, 3, 3, 3),
        hidden=(4096, 4096),
    )
    assert parameters(vgg16, 1000) == 138_357_544  # configuration D


def test_small_vgg_by_hand():
    expected = conv(3, 3, 32) + conv(3, 32, 32) + conv(3, 32, 64) + conv(3, 64, 64)
    expected += conv(3, 64, 128) + conv(3, 128, 128) + dense(4 * 4 * 128, 128) + dense(128, 10)
    assert parameters(VggSpec()) == expected


def test_residual_network_by_hand():
    def normalised(kernel, channels, filters):
        return conv(kernel, channels, filters, bias=False) + 2 * filters

    expected = normalised(3, 3, 16) + 6 * normalised(3, 16, 16) + dense(64, 10)
    for filters in (32, 64):
        expected += normalised(3, filters // 2, filters) + 5 * normalised(3, filters, filters)
        expected += normalised(1, filters // 2, filters)  # the shortcut
    assert parameters(ResnetSmallSpec()) == expected
    layers = ResnetSmallSpec(blocks=3).build().layers
    assert 1 + 2 * sum(layer.kind == "residual" for layer in layers) + 1 == 20  # with weights


def test_neocognitron_by_hand():
    assert parameters(NeocognitronSpec()) == conv(5, 1, 16) + conv(5, 16, 32) + dense(32, 10)
    stages = [layer.kind for layer in NeocognitronSpec(features=(2, 3)).layers()]
    s_cells = ["conv2d", "relu"]
    assert stages == [
        *s_cells,
        "average_pool2d",
        "softsign",
        *s_cells,
        "global_average_pool",
        "softsign",
        "dense",
    ]


SMALL = [
    Lenet5Spec(input_shape=(12, 12, 1)),
    Lenet5Spec(input_shape=(12, 14, 2), pooling="max", activation="relu"),
    AlexnetSpec(input_shape=(67, 67, 3), width=0.02, groups=2),
    AlexnetSpec(input_shape=(8, 8, 1), upscale=9, width=0.02, dropout=0),
    VggSpec(input_shape=(8, 8, 2), filters=(3, 4), convolutions=(1, 2), hidden=(5,)),
    VggSpec(input_shape=(4, 4, 1), filters=(3,), convolutions=(1,), hidden=(), dropout=0),
    ResnetSmallSpec(input_shape=(8, 8, 1), blocks=2, filters=3),
    NeocognitronSpec(input_shape=(8, 8, 1), features=(3, 4), s_window=3),
]


@pytest.mark.parametrize("template", SMALL, ids=lambda template: template.kind)
def test_a_step_of_training_on_flat_rows_and_on_images(template):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, *template.input_shape)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]
    outputs = []
    for rows in (x, x.reshape(6, -1)):
        network = Network(template.build().resolve(3), rows.shape[1:], batch=6, rng=np.random.default_rng(1))
        network.init(np.random.default_rng(2))
        before = network.forward(rows).copy()
        loss = CrossEntropySpec().build((3,), batch=6, dtype=network.dtype)
        optimizer = SgdSpec().build()
        optimizer.bind(network.segments, network.theta.size, network.dtype)
        slopes = np.empty((6, 3), np.float32)
        assert np.isfinite(loss(network.forward(rows, train=True), y, None, slopes))
        network.backward(slopes)
        optimizer.step(network.theta, network.grad, 1e-3)
        after = network.forward(rows)
        assert np.isfinite(after).all()
        assert (after != before).any()
        outputs.append(before)
    np.testing.assert_array_equal(*outputs)


@pytest.mark.parametrize(
    ("template", "wrong"),
    [
        (Lenet5Spec, {"input_shape": (28, 28)}),
        (Lenet5Spec, {"input_shape": (28, 0, 1)}),
        (Lenet5Spec, {"input_shape": (2**40, 28, 1)}),
        (AlexnetSpec, {"groups": 3}),
        (AlexnetSpec, {"width": 0}),
        (VggSpec, {"filters": (8, 16)}),
        (VggSpec, {"convolutions": (1, 1, 0)}),
        (ResnetSmallSpec, {"blocks": 0}),
        (NeocognitronSpec, {"features": ()}),
    ],
)
def test_bounds_of_image_templates(template, wrong):
    with pytest.raises(ValidationError):
        template(**wrong)
