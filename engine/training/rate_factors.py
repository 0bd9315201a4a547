"""Learning rates of their own for some parameters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.network import Segment
from engine.spec import InvalidSpec

NAMES_SHOWN = 20


def own_name(name: str) -> str:
    """A parameter's name within its layer: "b" of "0.b", "W" of "3.0.1.W"."""
    return name.rpartition(".")[2]


def check_rate_factors(factors: Mapping[str, float], names: Collection[str]) -> None:
    """Raise `InvalidSpec` at `rate_factors/<key>` for a key that names no parameter.

    `names`: the full names of the network's parameters, such as "0.W".
    """
    own = sorted(set(map(own_name, names)))
    for key in factors:
        if key not in names and key not in own:
            full = ", ".join(list(names)[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
            raise InvalidSpec(
                f"the network has no parameter {key!r}; its parameters are called {', '.join(own)}, "
                f"and with their layers {full}",
                ("rate_factors", key),
            )


def with_rate_factors(segments: Sequence[Segment], factors: Mapping[str, float]) -> list[Segment]:
    """The segments with their rates multiplied; a factor for a full name wins over one for an own name.

    Raises `InvalidSpec` as `check_rate_factors` does.
    """
    check_rate_factors(factors, [segment.name for segment in segments])
    return [
        replace(
            segment,
            rate=segment.rate * factors.get(segment.name, factors.get(own_name(segment.name), 1.0)),
        )
        for segment in segments
    ]
