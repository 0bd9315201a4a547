"""Greedy layer-wise pretraining: each hidden layer's start from the inputs alone, before backpropagation.

A spec imported here is a pretraining of the API, the catalog, the docs and the tests. `pretrain` is in
`greedy`, which needs a network.
"""

from typing import TYPE_CHECKING, Annotated, Union

from pydantic import Field

from engine.pretraining.autoencoder import AutoencoderPretrainingSpec
from engine.pretraining.base import PretrainingSpec
from engine.pretraining.rbm import RbmPretrainingSpec

PRETRAINING_SPECS: tuple[type[PretrainingSpec], ...] = (RbmPretrainingSpec, AutoencoderPretrainingSpec)

if TYPE_CHECKING:
    AnyPretraining = PretrainingSpec
else:
    AnyPretraining = Annotated[Union[PRETRAINING_SPECS], Field(discriminator="kind")]  # noqa: UP007 - built from the tuple
"""Any pretraining's spec, told apart by `kind`."""

__all__ = [
    "PRETRAINING_SPECS",
    "AnyPretraining",
    "AutoencoderPretrainingSpec",
    "PretrainingSpec",
    "RbmPretrainingSpec",
]
