"""Predictions with their reasons: each answer with what its features did to it."""

import json
from collections.abc import Sequence
from typing import Any

from app.dependencies import Context
from app.explanations import service as explanations
from app.explanations.requests import MAX_RECORDS
from app.models import service as models
from app.predictions.reading import Inputs, Records
from app.predictions.service import Answers, loaded
from app.problems import Invalid
from engine.encoding import Feature


def explained(context: Context, answers: Answers, rows: Records | Inputs, method: str) -> Answers:
    """The answers with an `explanation` each; raises `Invalid` for too many rows, and where `method` does not suit."""
    if len(rows.rows) > MAX_RECORDS:
        raise Invalid.at(
            "/query/explain",
            f"explain: at most {MAX_RECORDS} rows at a time can be explained, got {len(rows.rows):,}",
        )
    with context.database.read() as session:
        found = models.resolve(session, answers.model_id)
    question = {"method": method, "records": _records(rows, loaded(context, found).features)}
    told = json.loads(explanations.explain(context, answers.model_id, question))["explanations"]
    for prediction, reasons in zip(answers.predictions, told, strict=True):
        del reasons["warnings"]  # which the prediction has
        prediction["explanation"] = reasons
    return answers


def _records(rows: Records | Inputs, features: Sequence[Feature]) -> list[dict[str, Any]]:
    if isinstance(rows, Records):
        return rows.rows
    return [{feature.name: value for feature, value in zip(features, row, strict=True)} for row in rows.rows]
