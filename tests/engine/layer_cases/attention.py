"""Embeddings, positional encoding, attention, and the transformer's block."""

import numpy as np

from engine.arrays import Array, Shape
from engine.initializers import NormalSpec
from engine.layers.attention.multi_head import MultiHeadAttentionSpec
from engine.layers.attention.positional_encoding import PositionalEncodingSpec
from engine.layers.attention.transformer import TransformerEncoderSpec
from engine.layers.embedding import EmbeddingSpec
from engine.layers.embedding_bag import EmbeddingBagSpec
from layer_cases import LayerCase


def ids(shape: Shape) -> Array:
    """Whole numbers from -1 to 6, some of them no ids of a vocabulary of 5, and some halves."""
    x = np.random.default_rng(1).integers(-1, 7, shape).astype(float)
    x.reshape(-1)[::7] += 0.5
    return x


CASES = [
    LayerCase(EmbeddingBagSpec(size=5, dimension=3), (4,), ids, differentiable_input=False),
    LayerCase(EmbeddingBagSpec(size=5, dimension=2, combine="sum"), (2, 3), ids, differentiable_input=False),
    LayerCase(EmbeddingBagSpec(size=5, dimension=1), (1,), ids, differentiable_input=False),
    LayerCase(EmbeddingSpec(size=5, dimension=3), (4,), ids, differentiable_input=False),
    LayerCase(
        EmbeddingSpec(size=5, dimension=2, zero_is_padding=True), (2, 3), ids, differentiable_input=False
    ),
    LayerCase(
        EmbeddingSpec(size=5, dimension=4, weight_initializer=NormalSpec()),
        (),
        ids,
        differentiable_input=False,
    ),
    LayerCase(PositionalEncodingSpec(), (3, 5)),
    LayerCase(PositionalEncodingSpec(encoding="learned"), (3, 2)),
    LayerCase(PositionalEncodingSpec(encoding="learned", mask_value=0.0), (3, 2)),
    LayerCase(MultiHeadAttentionSpec(heads=2), (3, 4)),
    LayerCase(MultiHeadAttentionSpec(heads=1, bias=False), (2, 3)),
    LayerCase(MultiHeadAttentionSpec(heads=2, key_dimension=3, causal=True), (4, 2)),
    LayerCase(MultiHeadAttentionSpec(heads=2, mask_value=0.0), (3, 2)),
    LayerCase(MultiHeadAttentionSpec(heads=1), (1, 2)),
    LayerCase(TransformerEncoderSpec(heads=3, feed_forward=2, dropout=0.3), (3, 3)),
    LayerCase(
        TransformerEncoderSpec(
            heads=1, key_dimension=2, activation="gelu", normalization="post", causal=True, mask_value=0.0
        ),
        (2, 3),
    ),
]
