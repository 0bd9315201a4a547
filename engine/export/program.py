"""A graph as JSON, in the form that engine/export/standalone/operations.py carries out."""

from engine.export.graph import Graph


def as_json(graph: Graph) -> dict[str, object]:
    """Nodes as [operation, inputs, outputs, attributes]; constants are apart."""
    return {
        "inputs": [port.name for port in graph.inputs],
        "outputs": [port.name for port in graph.outputs],
        "nodes": [
            [
                node.op,
                list(node.inputs),
                list(node.outputs),
                {name: _value(value) for name, value in node.attributes.items()},
            ]
            for node in graph.nodes
        ],
    }


def _value(value: object) -> object:
    if isinstance(value, Graph):
        return as_json(value)
    return list(value) if isinstance(value, tuple) else value
