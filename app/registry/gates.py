"""Gates of aliases: a version is let through only if it is better than another model, on rows that are named.

Imports polars; alias_routes.py imports this module when the first gate is asked for.
"""

import json

from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.dependencies import Context
from app.models import aliases
from app.models import service as models
from app.models.alias_schemas import Alias, Gate, GateOutcome
from app.models.schemas import ModelItem
from app.predictions.service import evaluate_on
from app.problems import Conflict, FieldError, Invalid, NotFound
from engine.directions import HIGHER_IS_BETTER, better_by


def tried(context: Context, name: str, version: int, gate: Gate) -> GateOutcome:
    """Hold the version and the other model against the rows; takes as long as two evaluations.

    Raises `NotFound` for the name, and `Invalid` with a pointer to what else does not suit.
    """
    with context.database.read() as session:
        aliases.check_version(session, name, version)
        candidate = models.resolve(session, f"{name}:{version}")
        try:
            other = models.resolve(session, _ref(name, gate))
        except NotFound as problem:
            raise Invalid.at("/only_if/than", problem.detail) from None
        try:
            data = datasets.get(session, gate.dataset_id)
        except NotFound as problem:
            raise Invalid.at("/only_if/dataset_id", problem.detail) from None
    value, rows = _figure(context, candidate, gate)
    other_value, other_rows = _figure(context, other, gate)
    difference = better_by(gate.metric, value, other_value)
    return GateOutcome(
        **gate.model_dump(),
        dataset_sha256=data.sha256,
        higher_is_better=HIGHER_IS_BETTER[gate.metric],
        model_id=candidate.id,
        value=value,
        rows=rows,
        than_model_id=other.id,
        than_value=other_value,
        than_rows=other_rows,
        difference=difference,
        passed=difference >= gate.better_by,
    )


def move(context: Context, name: str, alias: str, version: int, outcome: GateOutcome) -> Alias:
    """Move the alias where its gate lets it, and write down what was found either way.

    Raises `Conflict` where it does not, and where the other model is another one by now.
    """
    with context.database.write() as session:
        _check_unmoved(session, name, outcome)
        if outcome.passed:
            return aliases.move(session, name, alias, version, outcome)
        aliases.refuse(session, name, alias, version, outcome)
    raise Conflict(_sentence(name, version, outcome), code="gate_refused")


def _ref(name: str, gate: Gate) -> str:
    return f"{name}{gate.than}" if gate.than.startswith("@") else gate.than


def _figure(context: Context, model: ModelItem, gate: Gate) -> tuple[float, int]:
    """The model's figure, and of how many rows it is."""
    try:
        told = json.loads(evaluate_on(context, model.id, gate.dataset_id))
    except Invalid as problem:
        errors = [
            FieldError(pointer=f"/only_if{each.pointer}", detail=each.detail) for each in problem.errors
        ]
        raise Invalid(f"{model.name}:{model.version}: {problem.detail}", errors, code=problem.code) from None
    evaluation = told["evaluation"]
    if gate.metric not in evaluation:
        known = ", ".join(name for name in HIGHER_IS_BETTER if name in evaluation)
        raise Invalid.at(
            "/only_if/metric", f"a report of a {model.task} model has no {gate.metric}, but {known}"
        )
    if evaluation[gate.metric] is None:
        raise Invalid.at(
            "/only_if/metric", f"{gate.metric} of {model.name}:{model.version} is not defined on these rows"
        )
    return evaluation[gate.metric], told["rows"]


def _check_unmoved(session: Session, name: str, outcome: GateOutcome) -> None:
    """What `than` names may have moved while the models were tried."""
    try:
        other = models.resolve(session, _ref(name, outcome)).id
    except NotFound:
        other = None
    if other != outcome.than_model_id:
        raise Conflict(f"{outcome.than} has become another model while this one was tried; try again")


def _sentence(name: str, version: int, outcome: GateOutcome) -> str:
    is_ = "higher" if outcome.higher_is_better else "lower"
    return (
        f"{name}:{version} has a {outcome.metric} of {outcome.value:.6g} on these rows, {outcome.than} has "
        f"{outcome.than_value:.6g}: it had to be {is_} by {outcome.better_by:g} at least; the alias stays"
    )
