"""Learning rates and weight decays of their own for some parameters."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from engine.network import Segment
from engine.spec import InvalidSpec

NAMES_SHOWN = 20


def own_name(name: str) -> str:
    """A parameter's name within its layer: "b" of "0.b", "W" of "3.0.1.W"."""
    return name.rpartition(".")[2]


def check_factors(field: str, factors: Mapping[str, float], names: Collection[str]) -> None:
    """Raise `InvalidSpec` at `<field>/<key>` for a key that names no parameter.

    `names`: the full names of the network's parameters, such as "0.W".
    """
    own = sorted(set(map(own_name, names)))
    for key in factors:
        if key not in names and key not in own:
            full = ", ".join(list(names)[:NAMES_SHOWN]) + (", ..." if len(names) > NAMES_SHOWN else "")
            raise InvalidSpec(
                f"the network has no parameter {key!r}; its parameters are called {', '.join(own)}, "
                f"and with their layers {full}",
                (field, key),
            )


def check_rate_factors(factors: Mapping[str, float], names: Collection[str]) -> None:
    """Raise `InvalidSpec` at `rate_factors/<key>` as `check_factors` does."""
    check_factors("rate_factors", factors, names)


def with_rate_factors(segments: Sequence[Segment], factors: Mapping[str, float]) -> list[Segment]:
    """The segments with their rates multiplied; a factor for a full name wins over one for an own name.

    Raises `InvalidSpec` as `check_rate_factors` does.
    """
    check_rate_factors(factors, [segment.name for segment in segments])
    return [
        replace(segment, rate=segment.rate * (1.0 if factor is None else factor))
        for segment in segments
        for factor in [_factor(segment, factors)]
    ]


def with_decay_factors(segments: Sequence[Segment], factors: Mapping[str, float]) -> list[Segment]:
    """The segments with their weight decays multiplied: one that is named decays, unless by 0.

    Raises `InvalidSpec` at `decay_factors/<key>` as `check_factors` does.
    """
    check_factors("decay_factors", factors, [segment.name for segment in segments])
    return [
        segment if factor is None else replace(segment, decay=factor > 0, decay_factor=factor)
        for segment in segments
        for factor in [_factor(segment, factors)]
    ]


def _factor(segment: Segment, factors: Mapping[str, float]) -> float | None:
    """The factor that a segment is given, if any."""
    return factors.get(segment.name, factors.get(own_name(segment.name)))
