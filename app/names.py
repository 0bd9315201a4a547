"""Names that people give: strict ones that stand in addresses, free ones that are labels."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

MAX_MODEL_NAME = 63
ID_PREFIXES = ("ds_", "net_", "job_", "mdl_", "key_")
RESERVED = frozenset({"import", "compare"})  # would be taken for /v1/models/import and /v1/models/compare

_MODEL_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


def valid_model_name(name: str) -> str:
    """The name itself; raises a `ValueError` that says what is allowed."""
    if not _MODEL_NAME.fullmatch(name):
        raise ValueError(
            "a model's name has 1 to 63 characters out of a-z, 0-9, '.', '_' and '-', "
            "and begins with a letter or digit"
        )
    if name.startswith(ID_PREFIXES):
        raise ValueError(f"a model's name must not begin like an id ({', '.join(ID_PREFIXES)})")
    if name in RESERVED:
        raise ValueError(f"{name!r} cannot be a model's name; it is part of an address")
    return name


def valid_alias(alias: str) -> str:
    """The alias itself; raises a `ValueError` that says what is allowed."""
    if not _MODEL_NAME.fullmatch(alias):
        raise ValueError(
            "an alias has 1 to 63 characters out of a-z, 0-9, '.', '_' and '-', and begins with a letter or digit"
        )
    return alias


def default_model_name(target: str | Sequence[str] | None, dataset_name: str) -> str:
    """Target + '-' + the data set's name, made to fit `valid_model_name`."""
    targets = [target] if isinstance(target, str) else target or []
    plain = unicodedata.normalize("NFKD", "-".join([*targets, dataset_name]).lower())
    plain = "".join(character for character in plain if not unicodedata.combining(character))  # é is e
    name = re.sub(r"[^a-z0-9._]+", "-", plain).lstrip("-._")[:MAX_MODEL_NAME].rstrip("-._") or "model"
    for prefix in ID_PREFIXES:
        if name.startswith(prefix):
            name = name.replace("_", "-", 1)
    return f"{name}-model" if name in RESERVED else name


def _without_control_characters(label: str) -> str:
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in label):
        raise ValueError("control characters are not allowed in a name")
    return label


ModelName = Annotated[str, AfterValidator(valid_model_name)]
"""A model's name: part of addresses, and so strict."""

Alias = Annotated[str, AfterValidator(valid_alias)]
"""A name for one version of a model: part of addresses too."""

Label = Annotated[
    str, StringConstraints(min_length=1, max_length=200), AfterValidator(_without_control_characters)
]
"""A data set's or network's name: free text, not unique."""

Tag = Annotated[
    str, StringConstraints(min_length=1, max_length=64), AfterValidator(_without_control_characters)
]
"""A label to find things by."""
