"""What a network costs, before anything of it is allocated."""

from pydantic import BaseModel

from engine.arrays import Shape, size
from engine.network import NetworkSpec


class LayerSummary(BaseModel):
    """One layer's shapes and costs, for one row unless said otherwise."""

    kind: str
    output_shape: list[int]
    parameters: int
    multiply_adds: int
    bytes: int  # of the parameters, in float32
    formula: str


class NetworkSummary(BaseModel):
    """A network's layers and their totals."""

    input_shape: list[int]
    output_shape: list[int]
    layers: list[LayerSummary]
    parameters: int
    multiply_adds: int
    bytes: int
    training_bytes: int  # parameters, gradients, optimizer slots and the buffers of one batch


def summarize(spec: NetworkSpec, in_shape: Shape, *, batch: int = 32, slots: int = 2) -> NetworkSummary:
    """Summarize a resolved network for rows of `in_shape`.

    `slots` is the number of values that the optimizer keeps for each parameter (2 for Adam).
    Raises `InvalidSpec` as `NetworkSpec.build` does.
    """
    itemsize = 4
    layers = spec.build(in_shape)
    summaries = [
        LayerSummary(
            kind=layer_spec.kind,
            output_shape=list(layer.out_shape),
            parameters=(parameters := sum(map(size, layer.param_shapes.values()))),
            multiply_adds=layer.multiply_adds(),
            bytes=parameters * itemsize,
            formula=layer_spec.formula,
        )
        for layer_spec, layer in zip(spec.layers, layers, strict=True)
    ]
    parameters = sum(layer.parameters for layer in summaries)
    buffers = batch * sum(layer.buffer_values() for layer in layers)
    buffers += sum(layer.fixed_values() for layer in layers)
    return NetworkSummary(
        input_shape=list(in_shape),
        output_shape=list(layers[-1].out_shape),
        layers=summaries,
        parameters=parameters,
        multiply_adds=sum(layer.multiply_adds for layer in summaries),
        bytes=parameters * itemsize,
        training_bytes=itemsize * (parameters * (2 + slots) + buffers),
    )
