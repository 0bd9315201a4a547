"""A model's network -> a graph from encoded rows to answers."""

from functools import reduce

from engine.arrays import Shape
from engine.ensemble import AnyModel, Ensemble
from engine.export.answers import answers, assured, double
from engine.export.errors import NotExportable
from engine.export.graph import Graph
from engine.export.layers import RULES
from engine.export.writer import Writer
from engine.model import Model


def add_model(g: Graph, model: AnyModel, x: str) -> str:
    """Add the network, or networks, and the link; x (rows, width), float32 -> `answers_to`, float64.

    Raises `NotExportable` for a layer that has no rule.
    """
    members = model.members if isinstance(model, Ensemble) else (model,)
    if model.windows is not None:
        raise NotExportable("a forecast reads windows of rows, which would have to be made before")
    shape: Shape = model.encoder.shape
    rows = x if len(shape) == 1 else g.reshape(x, shape)
    made = [_add_network(g, member, rows) for member in members]
    total = reduce(lambda a, b: g.add("Add", a, b), made)
    mean = g.add("Div", total, double(len(made))) if len(made) > 1 else total
    return assured(g, model.target.kind, model.assurance.temperature, mean)


def _add_network(g: Graph, model: Model, x: str) -> str:
    """Plain answers of one network to rows of the encoder's shape."""
    shape = model.encoder.shape
    writer = Writer(g, RULES, model.theta, model.state)
    z = writer.chain(model.network.layers, shape, x)
    if not writer.finished:
        raise NotExportable("some of the network's weights belong to no layer that is known here")
    members = len(model.network.build(shape)[-1].out_shape) > 1
    return answers(g, model.link, model.target, z, members=members)
