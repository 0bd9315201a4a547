"""A window that slides along the axes of a row: how far it reaches, where it stops, how many places it takes."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from engine.spec import InvalidSpec

LARGEST = 4096
"""Of a window's side, a stride, a dilation, a margin: far above any sensible one."""


def _twice(value: object) -> object:
    """A number becomes a pair of it; all else stays, for pydantic to check."""
    return (value, value) if isinstance(value, int | float) else value


def _each_twice(value: object) -> object:
    """A number becomes two pairs of it; each number of a pair becomes a pair."""
    value = _twice(value)
    return tuple(map(_twice, value)) if isinstance(value, list | tuple) else value


Side = Annotated[int, Field(ge=1, le=LARGEST)]
Margin = Annotated[int, Field(ge=0, le=LARGEST)]

Pair = Annotated[tuple[Side, Side], BeforeValidator(_twice, json_schema_input_type=Side | tuple[Side, Side])]
"""Down the height and along the width; one number stands for both."""

Margins = Annotated[
    tuple[Margin, Margin], BeforeValidator(_twice, json_schema_input_type=Margin | tuple[Margin, Margin])
]
"""Before and after; one number stands for both."""

Margins2d = Annotated[
    tuple[tuple[Margin, Margin], tuple[Margin, Margin]],
    BeforeValidator(
        _each_twice,
        json_schema_input_type=Margin
        | tuple[Margin, Margin]
        | tuple[tuple[Margin, Margin], tuple[Margin, Margin]],
    ),
]
"""((top, bottom), (left, right)); a pair is (top and bottom, left and right), one number all four."""

Rule = Literal["same", "valid"]
"""How many zeros: see `Axis.padded`."""


@dataclass(frozen=True)
class Axis:
    """One axis of a row, and the window that slides along it."""

    size: int
    kernel: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    """Zeros in front of the axis."""
    after: int = 0

    @property
    def reach(self) -> int:
        """From the window's first place to its last, both included."""
        return self.dilation * (self.kernel - 1) + 1

    @property
    def outputs(self) -> int:
        """How many places the window takes: floor((size + zeros - reach) / stride) + 1."""
        return (self.size + self.before + self.after - self.reach) // self.stride + 1

    @classmethod
    def padded(
        cls, size: int, kernel: int, stride: int, dilation: int, padding: Rule | tuple[int, int]
    ) -> "Axis":
        """With the zeros that `padding` asks for.

        "valid": none. "same": as few as make ceil(size / stride) outputs, an odd one at the end.
        Raises `InvalidSpec` where the window does not fit in once.
        """
        reach = cls(size, kernel, stride, dilation).reach
        if padding == "valid":
            before, after = 0, 0
        elif padding == "same":
            missing = max((-(-size // stride) - 1) * stride + reach - size, 0)
            before, after = missing // 2, missing - missing // 2
        else:
            before, after = padding
        axis = cls(size, kernel, stride, dilation, before, after)
        if axis.outputs < 1:
            raise InvalidSpec(
                f"the kernel reaches over {reach}, but only {size} and {before + after} of padding are there: "
                "take a smaller kernel or dilation, or more padding",
                ("kernel_size",),
            )
        return axis
