"""The shares of the training rows that a learning curve is made of."""

from typing import Annotated

from pydantic import BeforeValidator, Field

DEFAULT_SHARES = (0.125, 0.25, 0.5, 1.0)
MOST_SHARES = 10

Share = Annotated[float, Field(gt=0, le=1)]


def _shares(value: object) -> object:
    """What yes and no stand for."""
    if value is True:
        return DEFAULT_SHARES
    if value is False or value is None:
        return ()
    if not isinstance(value, list | tuple):
        raise ValueError("must be true, false, or a list of shares of the rows")  # noqa: TRY004 - Pydantic's way
    return value


CurveShares = Annotated[
    tuple[Share, ...],
    Field(max_length=MOST_SHARES),
    BeforeValidator(_shares, json_schema_input_type=bool | list[Share]),
]
"""Shares, or true for the usual ones; false and null for none."""
