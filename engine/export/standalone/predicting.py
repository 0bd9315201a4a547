"""A model in one file: `predict` answers raw records. Run as a script it checks itself against its test vectors."""

import base64
import io
import json
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from engine.export.standalone.operations import run
from engine.export.standalone.reading import encode

Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 1e-6
"""Of an answer, in parts of the larger of 1 (for a value: of its target's deviation) and its size."""
ROWS_AT_A_TIME = 64

DATA = ""


@cache
def _contents() -> tuple[dict[str, Any], dict[str, Array]]:
    """What the file holds: the description and the weights."""
    with np.load(io.BytesIO(base64.b64decode(DATA)), allow_pickle=False) as file:
        arrays = dict(file)
    return json.loads(arrays.pop("description").tobytes()), arrays


def answers(x: Array) -> Array:
    """Probabilities, or values in the target's unit (rows, outputs), of encoded rows (rows, width)."""
    description, constants = _contents()
    x = np.asarray(x, np.float32)
    parts = [x[start : start + ROWS_AT_A_TIME] for start in range(0, len(x), ROWS_AT_A_TIME)] or [x]
    return np.concatenate([run(description["program"], {**constants, "x": part})[0] for part in parts])


def encoded(records: Sequence[Mapping[str, Any]]) -> Array:
    """The network's input for raw records by column name; raises `ValueError` for a value of another type."""
    description, constants = _contents()
    return encode(description["columns"], records, (constants["shares"], constants["levels"]))


def predict(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each record's prediction."""
    x = encoded(records)
    return _decoded(_contents()[0]["target"], answers(x), x)


def _decoded(target: Mapping[str, Any], rows: Array, x: Array) -> list[dict[str, Any]]:
    kind = target["kind"]
    if kind == "multilabel":
        names = target["names"]
        return [
            {
                "labels": [name for name, p in zip(names, row, strict=True) if p > 0.5],
                "probabilities": dict(zip(names, row, strict=True)),
            }
            for row in rows.tolist()
        ]
    if kind == "autoencoding":
        return [{"reconstruction_error": error} for error in np.square(rows - x).mean(axis=1).tolist()]
    if "classes" not in target:
        names = target["names"]
        if len(names) == 1:
            return [{"value": value} for (value,) in rows.tolist()]
        return [{"values": dict(zip(names, row, strict=True))} for row in rows.tolist()]
    classes = target["classes"]
    keys = [str(label).lower() if isinstance(label, bool) else str(label) for label in classes]
    p = np.concatenate([1 - rows, rows], axis=1) if kind == "binary" else rows
    winners = (np.cumsum(p, axis=1)[:, :-1] < 0.5).sum(axis=1) if kind == "ordinal" else p.argmax(axis=1)
    return [
        {"label": classes[winner], "probabilities": dict(zip(keys, row, strict=True))}
        for winner, row in zip(winners.tolist(), p.tolist(), strict=True)
    ]


def check() -> float:
    """The largest difference to the answers that the service gave to the test vectors, in parts as `TOLERANCE`."""
    vectors, unit = _contents()[0]["vectors"], np.array(_contents()[0]["unit"])
    x = np.array(vectors["rows"], np.float32) if vectors["records"] is None else encoded(vectors["records"])
    expected = np.array(vectors["answers"])
    return float((np.abs(answers(x) - expected) / np.maximum(unit, np.abs(expected))).max())


def main() -> int:
    """Check, and say so; or predict the records of a JSON file that is named."""
    if len(sys.argv) > 1:
        with open(sys.argv[1], encoding="utf-8") as file:  # noqa: PTH123 - one import less in a file of its own
            print(json.dumps(predict(json.load(file)), ensure_ascii=False))  # noqa: T201 - that is its answer
        return 0
    difference = check()
    print(f"largest difference to the test vectors: {difference:.2g}, allowed {TOLERANCE:g}")  # noqa: T201 - the same
    return 0 if difference <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
