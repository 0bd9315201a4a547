"""Holding documents against each other: what differs, and by how much."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

from app.problems import to_pointer
from app.registry.comparison_schemas import ComparedMetric, ComparedSlice, DifferentParameter
from engine.directions import HIGHER_IS_BETTER

MOST_PARAMETERS = 500

Document = dict[str, Any]


def different_parameters(documents: Sequence[Document]) -> list[DifferentParameter]:
    """The values that are not the same in all documents, by JSON pointer; the first `MOST_PARAMETERS`."""
    flat = [dict(_leaves(document, ())) for document in documents]
    pointers = dict.fromkeys(pointer for leaves in flat for pointer in leaves)
    rows = ((pointer, [leaves.get(pointer) for leaves in flat]) for pointer in pointers)
    different = [
        DifferentParameter(pointer=pointer, values=values)
        for pointer, values in rows
        if any(value != values[0] for value in values)
    ]
    return different[:MOST_PARAMETERS]


def _leaves(value: object, path: tuple[str | int, ...]) -> Iterator[tuple[str, object]]:
    match value:
        case dict() if value:
            for name, inner in value.items():
                yield from _leaves(inner, (*path, name))
        case list() if value:
            for i, inner in enumerate(value):
                yield from _leaves(inner, (*path, i))
        case _:
            yield to_pointer(path), value


def compared_metrics(evaluations: Sequence[Document | None]) -> list[ComparedMetric]:
    """The figures of the reports, and of those on test rows, that any of them has."""
    tests = [evaluation and evaluation.get("test") for evaluation in evaluations]
    return [*_metrics(evaluations, "own"), *_metrics(tests, "test")]


def _metrics(
    evaluations: Sequence[Document | None], report: Literal["own", "test"]
) -> Iterator[ComparedMetric]:
    for name, higher in HIGHER_IS_BETTER.items():
        values = [None if evaluation is None else evaluation.get(name) for evaluation in evaluations]
        if any(value is not None for value in values):
            yield ComparedMetric(
                name=name,
                report=report,
                higher_is_better=higher,
                values=values,
                differences=[_difference(value, values[0]) for value in values],
                best=_best(values, higher=higher),
            )


def _difference(value: float | None, first: float | None) -> float | None:
    return None if value is None or first is None else value - first


def _best(values: Sequence[float | None], *, higher: bool) -> int | None:
    there = [value for value in values if value is not None]
    if len(there) < len(values):
        return None
    return there.index(max(there) if higher else min(there))


def compared_slices(evaluations: Sequence[Document | None]) -> list[ComparedSlice]:
    """The slices that every report has."""
    tables = [_slices(evaluation) for evaluation in evaluations]
    return [
        ComparedSlice(
            **dict(zip(_KEY, key, strict=True)),
            rows=[table[key]["rows"] for table in tables],
            scores=[table[key]["scores"] for table in tables],
            differences=[
                {
                    name: value - first["scores"][name]
                    for name, value in table[key]["scores"].items()
                    if name in first["scores"]
                }
                for table in tables
            ],
        )
        for key, first in tables[0].items()
        if all(key in table for table in tables)
    ]


_KEY = ("feature", "value", "low", "high")


def _slices(evaluation: Document | None) -> dict[tuple[Any, ...], Document]:
    found = evaluation and evaluation.get("slices")
    return {tuple(each[name] for name in _KEY): each for each in found["slices"]} if found else {}
