"""Child process: why a record is answered as it is."""

import base64
from collections.abc import Callable
from typing import Any

import numpy as np

from app.explanations.answers import (
    Attribution,
    Attributions,
    LayerValues,
    Map,
    Maps,
    Nearest,
    NearRow,
    Neighbors,
    RecordAttributions,
    RecordLayer,
    Tensor,
    Weight,
)
from app.explanations.case import Case
from engine.arrays import Array
from engine.explaining import Unexplainable
from engine.explaining.differentiable import ScoreGradients, members_of, network_at
from engine.explaining.grad_cam import channel_layer, grad_cam, image_shape
from engine.explaining.integrated_gradients import integrated_gradients
from engine.explaining.layer_values import split_by_layer, trace, weights_of
from engine.explaining.nearest_rows import hidden, nearest
from engine.explaining.occlusion import occlusion
from engine.explaining.pictures import overlay
from engine.explaining.scores import Scores, Values
from engine.explaining.shapley import shapley
from engine.explaining.tables import SIMPLE
from engine.model import Model

VALUES_TOLD = 20_000
"""Numbers of one array that an answer holds."""


def gradients(case: Case, *, drawn: bool) -> Attributions:
    """Integrated gradients from one reference, or (`drawn`) expected ones from rows of the data."""
    f = ScoreGradients(case.model, logits=case.question.explain == "logits")
    references, words = case.references(drawn=drawn)
    scores, x, outputs = case.scores, case.x, case.outputs(case.x)
    coded = [group for group, without in zip(scores.groups, scores.coded, strict=True) if without]
    found = integrated_gradients(f, x, references, outputs, scores.units(outputs), coded)
    features = scores.by_feature(found.values)
    explanations = [
        RecordAttributions(
            output=scores.names[output],
            score=found.scores[i],
            reference_score=found.reference_scores[i],
            attributions=_attributions(case, i, features[i]),
            error=found.errors[i],
            points=found.points[i],
            warnings=case.records[1][i],
            **_by_pixel(case, x[i], found.values[i]),
        )
        for i, output in enumerate(outputs)
    ]
    return case.answer(Attributions, reference=words, references=len(references), explanations=explanations)


def _by_pixel(case: Case, row: Array, values: Values) -> dict[str, Any]:
    """The attributions of an image, as a map and as a picture; nothing of other rows."""
    try:
        shape = image_shape(members_of(case.model)[0])
    except Unexplainable:
        return {}
    by_pixel = values.reshape(shape).sum(axis=2)
    return {"values": by_pixel.tolist(), "png": picture(row.reshape(shape), by_pixel)}


def picture(image: Array, strength: Values) -> str:
    """A map over an image as PNG in base64."""
    return base64.b64encode(overlay(image, strength)).decode()


def shapley_values(case: Case) -> Attributions:
    """Shapley values of each record."""
    references, words = case.references(drawn=True)
    scores, outputs = case.scores, case.outputs(case.x)
    explanations = []
    for i, output in enumerate(outputs):
        found = shapley(scores, case.x[i], references, scores.groups, case.question)
        phi, score, base = found.values[:, output], found.score[output], found.base[output]
        explanations.append(
            RecordAttributions(
                output=scores.names[output],
                score=score,
                reference_score=base,
                attributions=_attributions(case, i, phi),
                error=float(phi.sum() - (score - base)),
                coalitions=found.coalitions,
                exact=found.exact,
                warnings=case.records[1][i],
            )
        )
    return case.answer(Attributions, reference=words, references=len(references), explanations=explanations)


def _attributions(case: Case, record: int, values: Values) -> list[Attribution]:
    row = case.records[0].row(record, named=True)
    order = np.argsort(-np.abs(values), kind="stable")
    features = case.model.features
    return [
        Attribution(
            feature=features[place].name,
            value=row[features[place].name] if features[place].type in SIMPLE else None,
            attribution=values[place],
        )
        for place in order
    ]


def maps(case: Case, *, occluded: bool) -> Maps:
    """Grad-CAM, or the fall of the score where the image is covered."""
    member = members_of(case.model)[0]
    shape = image_shape(member)
    outputs, scores = case.outputs(case.x), case.scores
    layer = None if occluded else channel_layer(member, case.question.layer)
    explanations = []
    for row, output in zip(case.x, outputs, strict=True):
        if layer is None:
            cover = case.references(drawn=False)[0].mean(axis=0)
            strength = occlusion(_one_of(scores, int(output)), row, cover, shape, case.question)
        else:
            strength = np.mean(
                [grad_cam(one, row, int(output), layer) for one in members_of(case.model)], axis=0
            )
        score = float(scores(row[np.newaxis])[0, output])
        explanations.append(
            Map(
                output=scores.names[output],
                score=score,
                layer=layer,
                values=strength.tolist(),
                png=picture(row.reshape(shape), strength),
            )
        )
    return case.answer(Maps, explanations=explanations)


def _one_of(scores: Scores, output: int) -> Callable[[Array], Values]:
    return lambda x: scores(x)[:, output]


def layer_values(case: Case) -> LayerValues:
    """A layer's output, its gradient and the weights' gradients for each record."""
    question = case.question
    layers = case.model.network.layers
    if question.layer >= len(layers):
        raise Unexplainable(f"the network has {len(layers)} layers, counted from 0", "layer")
    member = network_at(case.model, question.member)
    explanations = []
    for row, output in zip(case.x, case.outputs(case.x), strict=True):
        found = trace(member, row, int(output))
        explanations.append(
            RecordLayer(
                output=case.scores.names[output],
                score=found.score,
                activation=tensor(found.outputs[question.layer]),
                gradient=tensor(found.gradients[question.layer]),
                weights=_weights(member, found.theta, question.layer),
            )
        )
    kind = layers[question.layer].kind
    return case.answer(LayerValues, layer=question.layer, kind=kind, explanations=explanations)


def _weights(member: Model, gradient: Array, layer: int) -> list[Weight]:
    values, gradients = weights_of(member)[layer], split_by_layer(member, gradient)[layer]
    return [
        Weight(name=name, values=tensor(values[name]), gradient=tensor(gradients[name])) for name in values
    ]


def tensor(values: Array, *, told: int = VALUES_TOLD) -> Tensor:
    """An array as an answer tells it; its numbers where they are at most `told`."""
    return Tensor(
        shape=list(values.shape),
        mean=float(values.mean()),
        std=float(values.std()),
        min=float(values.min()),
        max=float(values.max()),
        values=values.ravel().tolist() if values.size <= told else None,
    )


def nearest_rows(case: Case) -> Nearest:
    """The nearest rows that the model was trained on, for each record."""
    rows, question = case.data.trained_on.at_most(case.question.rows), case.question
    encoded: Array = case.model.encoder.encode(rows.frame)
    records = case.x
    if question.space == "hidden":
        members = members_of(case.model)
        encoded = np.concatenate([hidden(member, encoded) for member in members], axis=1)
        records = np.concatenate([hidden(member, records) for member in members], axis=1)
    places, apart = nearest(encoded, records, question.count)
    explanations = [
        Neighbors(
            rows=[
                NearRow(
                    row=rows.numbers[place],
                    distance=distance,
                    values=simple(rows.frame.row(place, named=True)),
                )
                for place, distance in zip(of_record.tolist(), of_distances.tolist(), strict=True)
            ]
        )
        for of_record, of_distances in zip(places, apart, strict=True)
    ]
    return case.answer(Nearest, space=question.space, explanations=explanations)


def simple(row: dict[str, Any]) -> dict[str, Any]:
    """A row's values without images and arrays."""
    return {name: value for name, value in row.items() if not isinstance(value, list | bytes | np.ndarray)}
