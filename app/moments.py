"""Times that a client names."""

import re
from typing import Annotated

from pydantic import AwareDatetime, BeforeValidator

_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)


def _written_out(value: object) -> object:
    """Pydantic takes more than the document promises: a number, "-4e-221" as well, for seconds since 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and not _RFC_3339.fullmatch(value)):
        raise ValueError("must be a time with its zone, as in 2026-01-31T12:00:00Z")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]
"""A time as the `date-time` of JSON Schema says (RFC 3339, section 5.6), of a zone that is named."""
