"""How often each class occurs among the rows that train, and which are too rare to be learned."""

import numpy as np
import polars as pl

from engine.encoding.description import DatasetWarning
from engine.encoding.target import AnyTarget, ClassTarget, MultilabelTarget, label_text

RARE_ROWS = 10
"""Classes of fewer training rows are warned about."""
NAMED_AT_MOST = 5


def class_counts(target: AnyTarget, rows: pl.DataFrame) -> dict[str, int] | None:
    """Rows of each class, those without any among them, or rows in which each label holds; None of other targets."""
    if isinstance(target, MultilabelTarget):
        holds = target.encode(rows, np.empty((rows.height, 0))).sum(axis=0).astype(np.intp)
        return dict(zip(target.names, holds.tolist(), strict=True))
    if not isinstance(target, ClassTarget):
        return None
    counts = np.bincount(target.codes(rows), minlength=len(target.classes)).tolist()
    return dict(zip(map(label_text, target.classes), counts, strict=True))


def rare_classes(target: AnyTarget, counts: dict[str, int] | None) -> list[DatasetWarning]:
    """A warning where classes have so few training rows that their figures will say little; the rarest are named."""
    rare = sorted((count, label) for label, count in (counts or {}).items() if count < RARE_ROWS)
    if not rare:
        return []
    named = ", ".join(f"{label!r} ({count})" for count, label in rare[:NAMED_AT_MOST])
    more = f" and {len(rare) - NAMED_AT_MOST} more" if len(rare) > NAMED_AT_MOST else ""
    what = "labels that hold in" if isinstance(target, MultilabelTarget) else "classes with"
    detail = f"{what} fewer than {RARE_ROWS} training rows can hardly be learned: {named}{more}"
    column = target.columns[0] if len(target.columns) == 1 else None
    return [DatasetWarning(code="rare_class", column=column, detail=detail)]
