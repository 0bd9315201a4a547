"""JSON Patch, as far as remedies need it: RFC 6902, operations `add` and `replace`."""

from collections.abc import Iterable, Sequence
from copy import deepcopy
from typing import Any

from engine.doctor.findings import Operation


def apply(document: Any, operations: Iterable[Operation]) -> Any:  # noqa: ANN401 - a JSON document is any value
    """The document after the operations; the given one stays as it is.

    Raises `ValueError` where a path leads nowhere.
    """
    document = deepcopy(document)
    for operation in operations:
        steps = [step.replace("~1", "/").replace("~0", "~") for step in operation.path.split("/")[1:]]
        if not steps:
            raise ValueError("there is no operation on the whole document")
        parent = _parent(document, steps, operation.path)
        value = deepcopy(operation.value)
        if isinstance(parent, dict):
            if operation.op == "replace" and steps[-1] not in parent:
                raise ValueError(f"there is no {operation.path}")
            parent[steps[-1]] = value
        else:
            _set_item(parent, steps[-1], operation, value)
    return document


def _parent(document: Any, steps: Sequence[str], path: str) -> Any:  # noqa: ANN401 - as above
    for step in steps[:-1]:
        try:
            document = document[int(step)] if isinstance(document, list) else document[step]
        except (KeyError, IndexError, TypeError, ValueError):
            raise ValueError(f"there is no {path}") from None
    if isinstance(document, dict | list):
        return document
    raise ValueError(f"there is no {path}")


def _set_item(items: list[Any], step: str, operation: Operation, value: object) -> None:
    adds = operation.op == "add"
    index = len(items) if step == "-" and adds else int(step) if step.isdecimal() else -1
    if not 0 <= index < len(items) + adds:
        raise ValueError(f"there is no {operation.path}")
    if adds:
        items.insert(index, value)
    else:
        items[index] = value
