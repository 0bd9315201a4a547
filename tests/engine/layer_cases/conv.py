"""Convolutions: each option, and each way of computing them (see engine/layers/convolution/choice.py)."""

from engine.layers.convolution.conv import Conv1dSpec, Conv2dSpec
from engine.layers.convolution.transposed import TransposedConv2dSpec
from layer_cases import LayerCase

CASES = [
    LayerCase(Conv2dSpec(filters=2, kernel_size=(3, 2)), (4, 4, 2)),
    LayerCase(Conv2dSpec(filters=2, kernel_size=2, stride=(2, 1), padding="same", bias=False), (3, 5, 1)),
    LayerCase(Conv2dSpec(filters=1, kernel_size=2, dilation=(1, 2), padding=((1, 0), (2, 1))), (3, 3, 2)),
    LayerCase(Conv2dSpec(filters=4, kernel_size=2, groups=2), (3, 3, 4)),
    LayerCase(Conv2dSpec(filters=6, kernel_size=2, padding=1, groups=3), (2, 3, 3)),
    LayerCase(Conv1dSpec(filters=3, padding="same"), (6, 2)),
    LayerCase(Conv1dSpec(filters=2, kernel_size=2, stride=2, padding=(0, 3), dilation=2, groups=2), (5, 4)),
    LayerCase(TransposedConv2dSpec(filters=2, kernel_size=(3, 2), stride=2), (2, 3, 2)),
    LayerCase(TransposedConv2dSpec(filters=2, stride=(1, 2), padding="same", bias=False), (3, 2, 2)),
    LayerCase(
        TransposedConv2dSpec(
            filters=4, kernel_size=2, stride=2, padding=1, dilation=2, groups=2, output_padding=(1, 0)
        ),
        (2, 3, 2),
    ),
]
