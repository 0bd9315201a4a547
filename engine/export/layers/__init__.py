"""How each layer is written as operations, a file a family."""

from engine.export.layers import activations, attention, dense, images, normalization, recurrent, tabular
from engine.export.writer import Rule
from engine.layers import LayerSpec

RULES: dict[type[LayerSpec], Rule] = {
    **dense.RULES,
    **activations.RULES,
    **images.RULES,
    **normalization.RULES,
    **recurrent.RULES,
    **attention.RULES,
    **tabular.RULES,
}
"""The rule of every layer that can be taken along."""
