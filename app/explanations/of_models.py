"""Child process: what a model does over the rows of a table, and what it consists of."""

import base64
from typing import Any

import numpy as np

from app.explanations.answers import (
    Effects,
    Importance,
    Importances,
    Layers,
    LayerWeights,
    LossHistory,
    Surface,
    Suspect,
    Suspects,
    Weight,
)
from app.explanations.case import Case
from app.explanations.of_records import simple, tensor
from app.explanations.rows import Rows
from engine.arrays import Array
from engine.explaining import Unexplainable
from engine.explaining.accumulated_local_effects import accumulated_local_effects
from engine.explaining.decision_surface import decision_surface
from engine.explaining.differentiable import WideScores, members_of, network_at
from engine.explaining.gedeon import first_matrices, gedeon
from engine.explaining.layer_values import weights_of
from engine.explaining.losses import row_losses, total_loss
from engine.explaining.partial_dependence import partial_dependence
from engine.explaining.permutation_importance import Importances as Permuted
from engine.explaining.permutation_importance import permutation_importance, together
from engine.explaining.pictures import surface
from engine.explaining.scores import Values
from engine.explaining.suspect_labels import suspicion
from engine.explaining.tables import (
    ORDERED,
    encoded_values,
    intervals_of,
    observed,
    place_of,
    present,
    spread,
)
from engine.predictor import Predictor
from engine.trust.scores import leading

VALUES_OF_ALL = 1000
"""Numbers of one array that an answer about all layers holds."""
CLASSES = frozenset({"binary", "multiclass", "ordinal"})


def permuted(case: Case) -> Importances:
    """Permutation importance on rows that were not trained on: of the model, or of each network's own."""
    parts, words = case.data.with_target.unseen
    parts = [(model, rows.at_most(max(case.question.rows // len(parts), 1))) for model, rows in parts]
    found = together(
        [_permuted(case, model, rows) for model, rows in parts], [len(rows.numbers) for _, rows in parts]
    )
    importances = [
        Importance(
            feature=feature.name,
            importance=found.means[i],
            std=found.stds[i],
            repeats=found.grown[i].tolist(),
        )
        for i, feature in enumerate(case.model.features)
    ]
    return case.answer(
        Importances,
        measure=leading(case.model.target.kind),
        baseline=found.baseline,
        rows=sum(len(rows.numbers) for _, rows in parts),
        rows_from=words,
        importances=_largest_first(importances),
    )


def _permuted(case: Case, model: Predictor, rows: Rows) -> Permuted:
    """Of one model on its rows."""
    kind, scores = model.target.kind, WideScores(model)
    x: Array = model.encoder.encode(rows.frame)
    truth = model.target.truth(rows.frame, x)

    def measure(changed: Array) -> float:
        against = changed if kind == "autoencoding" else truth
        return total_loss(model.target, row_losses(model.target, scores.answers(changed), against))

    return permutation_importance(measure, x, scores.groups, case.question)


def by_weights(case: Case) -> Importances:
    """Gedeon's measure, of several networks the mean."""
    each = [gedeon(*first_matrices(member)) for member in members_of(case.model)]
    inputs = np.mean(each, axis=0)
    names = case.model.encoder.output_names
    features = np.array([inputs[group].sum() for group in case.scores.groups])
    features /= features.max() or 1.0
    return case.answer(
        Importances,
        measure="share of the absolute weights of the first two layers",
        importances=_largest_first(
            [
                Importance(feature=feature.name, importance=importance)
                for feature, importance in zip(case.model.features, features.tolist(), strict=True)
            ]
        ),
        inputs=_largest_first(
            [
                Importance(feature=name, importance=value)
                for name, value in zip(names, inputs.tolist(), strict=True)
            ]
        ),
    )


def _largest_first(importances: list[Importance]) -> list[Importance]:
    return sorted(importances, key=lambda one: -one.importance)


def dependence(case: Case) -> Effects:
    """Partial dependence on a feature."""
    place = place_of(case.scores, case.question.feature, "feature")
    rows = case.data.trained_on.at_most(case.question.rows).frame
    x: Array = case.model.encoder.encode(rows)
    name = case.model.features[place].name
    values = observed(rows[name], case.question.points)
    encoded = encoded_values(case.scores, rows[:1], place, values)
    means, stds = partial_dependence(case.scores, x, case.scores.groups[place], encoded)
    return case.answer(
        Effects,
        feature=name,
        rows=len(x),
        rows_from=case.data.trained_on_in_words,
        values=values.to_list(),
        effects=case.by_name(means),
        stds=case.by_name(stds),
    )


def local_effects(case: Case) -> Effects:
    """Accumulated local effects of a feature."""
    place = place_of(case.scores, case.question.feature, "feature", ORDERED)
    name = case.model.features[place].name
    rows = case.data.trained_on
    rows = rows.taken(np.flatnonzero(present(rows.frame[name]))).at_most(case.question.rows)
    edges = observed(rows.frame[name], case.question.intervals + 1)
    if len(edges) == 1:
        edges = edges.append(edges)
        case.warnings.append(f"{name} has one value: there is nothing to move")
    x: Array = case.model.encoder.encode(rows.frame)
    encoded = encoded_values(case.scores, rows.frame[:1], place, edges)
    interval = intervals_of(rows.frame[name], edges)
    effects, counts = accumulated_local_effects(case.scores, x, case.scores.groups[place], encoded, interval)
    return case.answer(
        Effects,
        feature=name,
        rows=len(x),
        rows_from=case.data.trained_on_in_words,
        values=edges.to_list(),
        effects=case.by_name(effects),
        counts=counts.tolist(),
    )


def surface_of(case: Case) -> Surface:
    """The decision surface over two features."""
    question, scores = case.question, case.scores
    places = place_of(scores, question.x, "x"), place_of(scores, question.y, "y")
    if places[0] == places[1]:
        raise Unexplainable("y is the same feature as x", "y")
    rows = case.data.trained_on.at_most(question.rows).frame
    axes, told = [], []
    for place in places:
        values = spread(rows[case.model.features[place].name], question.points)
        axes.append((scores.groups[place], encoded_values(scores, rows[:1], place, values)))
        told.append(values.to_list())
    reference = case.references(drawn=False)[0].mean(axis=0)
    found = decision_surface(scores, reference, axes[0], axes[1])
    classes = case.model.target.kind in CLASSES
    labels = None
    if classes:
        winners = case.predicted(found.reshape(-1, found.shape[2])).reshape(found.shape[:2])
        labels = [[scores.names[winner] for winner in row] for row in winners]
    picture = base64.b64encode(surface(found, classes=classes)).decode()
    return case.answer(
        Surface,
        x=question.x,
        y=question.y,
        x_values=told[0],
        y_values=told[1],
        scores=case.by_name(found),
        labels=labels,
        png=picture,
    )


def suspects(case: Case) -> Suspects:
    """The rows with the highest loss and the labels that are likely to be wrong."""
    rows = case.data.with_target.at_most(case.question.rows)
    model, scores = case.model, case.scores
    x: Array = model.encoder.encode(rows.frame)
    (answers, unseen), truth = rows.answered(x), model.target.truth(rows.frame, x)
    losses = row_losses(model.target, answers, truth)
    found, suspect, own = None, np.zeros(len(x), bool), np.zeros(len(x), np.intp)
    said = scores.of_answers(answers, x)
    predictions = model.target.decode(answers if rows.history is None else model.answers_to(x), x)
    if model.target.kind in CLASSES:
        own = truth[:, 0].astype(np.intp) if model.target.kind == "binary" else truth.argmax(axis=1)
        found = suspicion(said, own)
        suspect = found.suspect
    order = np.lexsort((-losses, ~suspect))[: case.question.count]
    items = [
        Suspect(
            row=rows.numbers[place],
            loss=losses[place],
            given=_given(case, rows.frame.row(place, named=True)),
            predicted=_predicted(predictions[place]),
            suspect=None if found is None else bool(suspect[place]),
            likely=scores.names[found.likely[place]] if found is not None and suspect[place] else None,
            probability=None if found is None else float(said[place, own[place]]),
            out_of_sample=None if unseen is None else bool(unseen[place]),
            history=_history(rows, place),
            values=simple(rows.frame.row(place, named=True)),
        )
        for place in order.tolist()
    ]
    if rows.history is not None:
        looks = rows.history.looks
        case.warnings.append(f"rows that were trained on have the mean of their answers after {looks} epochs")
    elif unseen is None or not unseen.all():
        case.warnings.append("probabilities of rows that were trained on flatter their labels")
    return case.answer(
        Suspects,
        measure=leading(model.target.kind),
        rows=len(x),
        suspects=None if found is None else int(suspect.sum()),
        thresholds=None if found is None else _finite(scores.names, found.thresholds),
        items=items,
    )


def _history(rows: Rows, place: int) -> LossHistory | None:
    if rows.history is None:
        return None
    [there], [known] = rows.history.places(rows.numbers[place : place + 1])
    if not known:
        return None
    return LossHistory(epochs=rows.history.epochs.tolist(), losses=rows.history.losses[:, there].tolist())


def _finite(names: tuple[str, ...], values: Values) -> dict[str, float | None]:
    return {
        name: value if np.isfinite(value) else None
        for name, value in zip(names, values.tolist(), strict=True)
    }


def _given(case: Case, row: dict[str, Any]) -> Any:  # noqa: ANN401 - the target's value
    columns = case.model.target.columns
    return row[columns[0]] if len(columns) == 1 else {name: row[name] for name in columns}


def _predicted(prediction: dict[str, object]) -> object:
    kinds = ("label", "labels", "value", "values", "reconstruction_error")
    return next(prediction[kind] for kind in kinds if kind in prediction)


def layers(case: Case) -> Layers:
    """Every layer of a network with figures of its weights; their numbers where they are few.

    The question is which network, by its place; raises `Unexplainable` where there is none.
    """
    member = network_at(case.model, case.question)
    built = member.network.build(member.encoder.shape)
    found = [
        LayerWeights(
            layer=place,
            kind=spec.kind,
            output_shape=list(layer.out_shape),
            weights=[
                Weight(name=name, values=tensor(values, told=VALUES_OF_ALL))
                for name, values in weights.items()
            ],
        )
        for place, (spec, layer, weights) in enumerate(
            zip(member.network.layers, built, weights_of(member), strict=True)
        )
    ]
    return Layers(**case.about, method="layers", layers=found)
