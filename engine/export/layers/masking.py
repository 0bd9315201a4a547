"""Steps of a series that are there only to give all rows one length."""

from engine.export.graph import Graph


def padded_steps(g: Graph, x: str, mask_value: float) -> str:
    """Whether all features of a step have the value: (rows, steps, 1), booleans."""
    equal = g.add("Cast", g.add("Equal", x, mask_value), to="float32")
    return g.add("Greater", g.add("ReduceMin", equal, g.sizes(-1), keepdims=1), 0.5)


def restored(g: Graph, y: str, padded: str | None, mask_value: float | None) -> str:
    """y with the padded steps as they came in."""
    if padded is None or mask_value is None:
        return y
    return g.add("Where", padded, mask_value, y)
