"""Child process: what would have to change for another answer."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from app.explanations.answers import Changed, Counterfactual, Counterfactuals, RecordCounterfactuals
from app.explanations.case import Case
from engine.arrays import Array
from engine.encoding.description import Label
from engine.explaining import Unexplainable
from engine.explaining.counterfactuals import (
    Candidates,
    Change,
    changed_row,
    class_margin,
    counterfactuals,
    ordinal_margin,
)
from engine.explaining.scores import Values
from engine.explaining.tables import SIMPLE, distances, encoded_values, observed, present

Goal = Callable[[Values], Values]
"""How far scores (rows, names) are in what is asked for; 0 has reached it."""


def changes(case: Case) -> Counterfactuals:
    """Counterfactuals of each record."""
    explanations = []
    for record, row in enumerate(case.x):
        [score] = case.scores(row[np.newaxis])
        candidates = _candidates(case, record)
        found = counterfactuals(
            _margin(case, _goal(case, score)),
            row,
            [one for one, _ in candidates],
            case.question.max_features,
            case.question.count,
        )
        explanations.append(
            RecordCounterfactuals(
                prediction=case.by_name(score),
                counterfactuals=[_counterfactual(case, record, candidates, change) for change in found],
            )
        )
    return case.answer(Counterfactuals, explanations=explanations)


def _margin(case: Case, reached: Goal) -> Callable[[Array], Values]:
    return lambda x: reached(case.scores(x))


def _candidates(case: Case, record: int) -> list[tuple[Candidates, list[Any]]]:
    """The values that each feature may take instead, with the place of the feature; none for those that are fixed."""
    rows, fixed = case.data.trained_on.at_most(case.question.rows).frame, set(case.question.fixed)
    own = case.records[0][record]
    if unknown := fixed - {feature.name for feature in case.model.features}:
        raise Unexplainable(f"there is no feature {min(unknown)[:100]!r}", "fixed")
    candidates = []
    for place, feature in enumerate(case.model.features):
        if feature.name in fixed or feature.type not in SIMPLE or not present(rows[feature.name]).any():
            continue
        column = rows[feature.name]
        values = observed(column, case.question.values)
        candidates.append(
            (
                Candidates(
                    case.scores.groups[place],
                    encoded_values(case.scores, rows[:1], place, values),
                    distances(column, own[feature.name][0], values),
                ),
                [feature.name, values.to_list()],
            )
        )
    if not candidates:
        if fixed:
            raise Unexplainable("no feature may change: all that could are named here", "fixed")
        raise Unexplainable(
            "the model reads no feature that could take other values, such as numbers or categories"
        )
    return candidates


def _counterfactual(
    case: Case, record: int, candidates: Sequence[tuple[Candidates, list[Any]]], change: Change
) -> Counterfactual:
    row = changed_row(case.x[record], [one for one, _ in candidates], change.choices)
    before = case.records[0].row(record, named=True)
    changed = []
    for feature, value in change.choices:
        name, values = candidates[feature][1]
        changed.append(Changed(feature=name, before=before[name], after=values[value]))
    return Counterfactual(
        changes=changed, distance=change.distance, prediction=case.by_name(case.scores(row[np.newaxis])[0])
    )


def _goal(case: Case, score: Values) -> Goal:
    """How far scores (rows, names) are in what is asked for; 0 has reached it."""
    question, names, kind = case.question, case.scores.names, case.model.target.kind
    if kind in {"binary", "multiclass", "ordinal"}:
        _refuse(question, "at_least", "at_most", kind=kind)
        wanted = None if question.desired is None else _named(question.desired, names)
        own = int(case.predicted(score[np.newaxis])[0])
        if wanted == own:
            raise Unexplainable(f"{names[own]} is what is predicted already", "desired")
        margin = ordinal_margin if kind == "ordinal" else class_margin
        return lambda scores: margin(scores, own, wanted)
    if kind == "multilabel":
        _refuse(question, "at_least", "at_most", kind=kind)
        place = 0 if question.desired is None else _named(question.desired, names)
        sign = -1.0 if score[place] > 0.5 else 1.0
        return lambda scores: sign * (scores[:, place] - 0.5) - 1e-12
    _refuse(question, "desired", kind=kind)
    low, high = question.at_least, question.at_most
    if low is None and high is None:
        raise Unexplainable("say what is to be reached: at_least or at_most", "at_least")
    return lambda scores: np.minimum(
        scores[:, 0] - low if low is not None else np.inf, high - scores[:, 0] if high is not None else np.inf
    )


def _refuse(question: Any, *fields: str, kind: str) -> None:  # noqa: ANN401 - a request's class
    for name in fields:
        if getattr(question, name) is not None:
            raise Unexplainable(f"{name} makes no sense for a {kind} model", name)


def _named(label: Label, names: Sequence[str]) -> int:
    text = str(label).lower() if isinstance(label, bool) else str(label)
    if text not in names:
        raise Unexplainable(
            f"{text[:100]!r} is none of the model's outputs: {', '.join(names[:20])}", "desired"
        )
    return names.index(text)
