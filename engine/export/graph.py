"""A network as a list of small operations: what every format that holds computations is written from.

The operations are those of ONNX (opset 18, and LabelEncoder of ai.onnx.ml), with its names and attributes, so
that there is one description of each. engine/export/onnx.py writes them down as protobuf, and
engine/export/standalone/operations.py carries them out with NumPy.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

Operand = str | NDArray[Any] | float
"""The name of a value; or a constant: an array, or a number as float32."""


@dataclass(frozen=True)
class Port:
    """What goes into a graph or comes out: its dtype by NumPy's name (or "string"), its shape ("rows" or a size)."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]


@dataclass(frozen=True)
class Node:
    """One operation."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, object]
    """Numbers, texts, tuples of them; a graph: what a Scan does in each step. `to` of Cast is the name of a dtype."""


@dataclass
class Graph:
    """Operations in the order in which they are carried out; names are given as they are added.

    The graph of a Scan's step has its own nodes, and the constants and names of the graph around it.
    """

    inputs: list[Port] = field(default_factory=list)
    outputs: list[Port] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, NDArray[Any]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)
    _numbers: "count[int]" = field(default_factory=count)
    _known: dict[tuple[str, tuple[int, ...], bytes], str] = field(default_factory=dict)

    def inner(self) -> "Graph":
        """A graph within this one."""
        return Graph(constants=self.constants, taken=self.taken, _numbers=self._numbers, _known=self._known)

    def input(self, name: str, dtype: str, shape: tuple[int | str, ...]) -> str:
        """A value that comes from outside; its name, which is another one where `name` is taken or empty."""
        name = self.free(name)
        self.inputs.append(Port(name, dtype, shape))
        return name

    def output(self, name: str, value: str, dtype: str, shape: tuple[int | str, ...]) -> str:
        """Give `value` to the outside; the name, as for inputs."""
        name = self.free(name)
        self.nodes.append(Node("Identity", (value,), (name,), {}))
        self.outputs.append(Port(name, dtype, shape))
        return name

    def free(self, name: str) -> str:
        """`name`, with as many underscores behind it as make it no name of this graph; it is one from now on."""
        while not name or name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def add(self, op: str, *inputs: Operand, **attributes: object) -> str:
        """The name of what `op` makes of `inputs`."""
        names = tuple(item if isinstance(item, str) else self.constant(item) for item in inputs)
        [output] = self._names(1)
        self.nodes.append(Node(op, names, (output,), attributes))
        return output

    def add_several(self, op: str, outputs: int, *inputs: str, **attributes: object) -> tuple[str, ...]:
        """The same for an operation that makes several values."""
        names = self._names(outputs)
        self.nodes.append(Node(op, inputs, names, attributes))
        return names

    def constant(self, values: NDArray[Any] | float) -> str:
        """The name of a constant; equal ones are kept once."""
        array = np.ascontiguousarray(np.float32(values) if isinstance(values, int | float) else values)
        array = array.reshape(np.shape(values))  # ascontiguousarray makes a number an array of one axis
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._known:
            [self._known[key]] = self._names(1)
            self.constants[self._known[key]] = array
        return self._known[key]

    def sizes(self, *numbers: int) -> str:
        """Whole numbers, such as shapes and axes, as a constant."""
        return self.constant(np.array(numbers, np.int64))

    def reshape(self, x: str, shape: Iterable[int]) -> str:
        """Rows of another `shape`."""
        return self.add("Reshape", x, self.sizes(-1, *shape))

    def part(self, x: str, start: int, stop: int, *, axis: int = -1) -> str:
        """The places start..stop - 1 along an axis."""
        return self.add("Slice", x, self.sizes(start), self.sizes(stop), self.sizes(axis))

    def mean(self, x: str, *axes: int) -> str:
        """The mean over axes, which stay with size 1."""
        return self.add("ReduceMean", x, self.sizes(*axes), keepdims=1)

    def _names(self, many: int) -> tuple[str, ...]:
        return tuple(self.free(f"v{next(self._numbers)}") for _ in range(many))
