"""The out-of-fold answers that a model's file keeps, in pages."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from app.dependencies import Context
from app.models import service as models
from app.predictions.service import loaded
from app.problems import NotFound
from engine.ensemble import Ensemble
from engine.folds.out_of_fold import Kept


def out_of_fold(context: Context, ref: str, offset: int, limit: int) -> dict[str, Any]:
    """`schemas.OutOfFoldPage`: at most `limit` rows after the first `offset`.

    Raises `NotFound` for a model that is not there or keeps no such answers.
    """
    with context.database.read() as session:
        found = models.resolve(session, ref)
    model = loaded(context, found)
    kept = Kept.of(model.further) if isinstance(model, Ensemble) else None
    if kept is None or not isinstance(model, Ensemble):
        raise NotFound(
            f"model {found.id} keeps no out-of-fold answers: it is a single network, its networks were validated on no "
            "rows of its data set, or there were too many answers"
        )
    end = min(offset + limit, len(kept.row))
    return {
        "model_id": found.id,
        "version": found.version,
        "items": list(_items(model, kept, slice(offset, end))),
        "next_cursor": str(end) if end < len(kept.row) else None,
    }


def _items(model: Ensemble, kept: Kept, part: slice) -> Iterator[dict[str, Any]]:
    answers = model.assurance.scaled(kept.answers[part], model.target.kind)
    predictions = model.target.decode(answers, np.empty((len(answers), 0), np.float32))
    columns = (kept.row[part].tolist(), kept.network[part].tolist(), kept.networks[part].tolist())
    for row, network, networks, prediction in zip(*columns, predictions, strict=True):
        yield {"row": row, "fold": network + 1, "networks": networks, **prediction}
