"""Where two descriptions in JSON part, in words."""

import json
from collections.abc import Iterator

SHOWN = 60
"""Characters of a value that an error shows."""


def first_difference(here: object, there: object) -> str | None:
    """Where two values of JSON differ, as "/layers/0/units is 8, not 16"; None if they are equal.

    `here` is what is said to be, `there` what it is not. Of several differences that nearest to the root is told:
    another kind of layer rather than what follows from it.
    """
    found = min(_differences(here, there, ()), key=lambda each: len(each[0]), default=None)
    return None if found is None else f"/{'/'.join(found[0])} {found[1]}"


def _differences(here: object, there: object, at: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(here, dict) and isinstance(there, dict):
        for name in {**here, **there}:
            yield from _differences(here.get(name), there.get(name), (*at, name))
    elif not isinstance(here, list) or not isinstance(there, list):
        if here != there:
            yield at, f"is {_shown(here)}, not {_shown(there)}"
    elif len(here) != len(there):
        yield at, f"has {len(here)} entries, not {len(there)}"
    else:
        for i, (mine, other) in enumerate(zip(here, there, strict=True)):
            yield from _differences(mine, other, (*at, str(i)))


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
