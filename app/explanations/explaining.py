"""Child process: answers to questions about a model, which may take more memory and time than the API has."""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from app.datasets.tables import read_kept
from app.explanations import changed_records, of_models, of_records
from app.explanations.case import Case
from app.explanations.requests import REQUESTS
from app.explanations.rows import Rows, rows_of
from app.jobs.assignment import Assignment
from app.problems import Invalid, NotFound
from engine import kernels
from engine.ensemble import load_model
from engine.explaining import Unexplainable
from engine.predictor import Predictor

METHODS: dict[str, Callable[[Case], BaseModel]] = {
    "integrated_gradients": partial(of_records.gradients, drawn=False),
    "expected_gradients": partial(of_records.gradients, drawn=True),
    "shapley": of_records.shapley_values,
    "grad_cam": partial(of_records.maps, occluded=False),
    "occlusion": partial(of_records.maps, occluded=True),
    "layer_values": of_records.layer_values,
    "nearest_rows": of_records.nearest_rows,
    "counterfactuals": changed_records.changes,
    "permutation_importance": of_models.permuted,
    "gedeon": of_models.by_weights,
    "partial_dependence": of_models.dependence,
    "accumulated_local_effects": of_models.local_effects,
    "decision_surface": of_models.surface_of,
    "suspect_labels": of_models.suspects,
}
"""What answers each method."""


def explain(
    model_file: Path, table: Path | None, assignment: str | None, asked: dict[str, Any]
) -> dict[str, str]:
    """The answer to a question as JSON text; `asked`: the question, and what the database knows for it.

    `table`: the data set, where there is one; `assignment`: the training of the model on it, as JSON.
    Raises `Invalid` where question, model and rows do not fit, `Conflict` where rows are needed that are gone, and
    `NotFound` where the model was deleted meanwhile.
    """
    kernels.use("numpy")  # which need no compiling, as in the API
    model = _load(model_file, asked["about"]["model_id"], asked["sha256"])
    question = REQUESTS[asked["question"]["method"]].model_validate(asked["question"])
    case = Case(model, question, partial(_rows, model, table, assignment), asked["about"])
    try:
        answer = METHODS[asked["question"]["method"]](case)
    except Unexplainable as error:
        raise Invalid.at(f"/{error.field}", error.detail) from None
    return {"json": answer.model_dump_json()}


def layers(model_file: Path, asked: dict[str, Any]) -> dict[str, str]:
    """The layers of one of a model's networks with their weights, as JSON text; raises `Invalid` for none of them."""
    model = _load(model_file, asked["about"]["model_id"], asked["sha256"])
    case = Case(model, asked["member"], lambda: None, asked["about"])
    try:
        return {"json": of_models.layers(case).model_dump_json()}
    except Unexplainable as error:
        raise Invalid.at(f"/query/{error.field}", error.detail) from None


def _load(path: Path, model_id: str, digest: str) -> Predictor:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"model {model_id} has just been deleted") from None
    if sha256(data).hexdigest() != digest:
        raise RuntimeError(f"the file of {model_id} is damaged")
    model = load_model(data)
    if model.windows is not None:
        raise Invalid("a forecast of a series cannot be explained yet")
    return model


def _rows(model: Predictor, table: Path | None, assignment: str | None) -> Rows | None:
    if table is None:
        return None
    try:
        frame = read_kept(table)
    except FileNotFoundError:  # deleted just now
        return None
    training = None if assignment is None else Assignment.model_validate_json(assignment)
    return rows_of(model, frame, training)
