"""What an embedding that takes a table's rows as they are means for the rest of a training."""

import numpy as np

from engine.arrays import Array
from engine.encoding import Scaling
from engine.layers.embedding import EmbeddingSpec
from engine.layers.embedding_bag import EmbeddingBagSpec
from engine.layers.flatten import FlattenSpec
from engine.layers.reshape import PermuteSpec, ReshapeSpec
from engine.network import NetworkSpec
from engine.spec import InvalidSpec


def first_embedding(network: NetworkSpec) -> EmbeddingSpec | EmbeddingBagSpec | None:
    """The embedding that the rows reach unchanged, if there is one."""
    moving = FlattenSpec, PermuteSpec, ReshapeSpec
    first = next((layer for layer in network.layers if not isinstance(layer, moving)), None)
    return first if isinstance(first, EmbeddingSpec | EmbeddingBagSpec) else None


def check_mixup(mixup: float, embedding: EmbeddingSpec | EmbeddingBagSpec | None) -> None:
    """Raise `InvalidSpec` where ids would be mixed like numbers."""
    if mixup and embedding is not None:
        raise InvalidSpec(
            "mixup would mix the ids that the embedding takes, as if they were numbers: leave it out",
            ("mixup",),
        )


def note_of_ids(embedding: EmbeddingSpec | EmbeddingBagSpec, x: Array, scaling: Scaling) -> str | None:
    """What the plan says where some of the rows x (rows, features) are no ids."""
    share = np.mean((x < 0) | (x >= embedding.size) | (x != np.rint(x)))
    if not share:
        return None
    advice = "" if scaling == "none" else "; the scaling none leaves the columns' numbers as they are"
    return (
        f"{share:.0%} of the inputs are no whole numbers from 0 to {embedding.size - 1}, and count as id 0 "
        f"in the embedding{advice}"
    )
