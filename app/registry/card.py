"""A model card, put together from what the database knows."""

from typing import Any

from sqlalchemy.orm import Session

from app.datasets import service as datasets
from app.datasets.schemas import DatasetDetail
from app.jobs import service as jobs
from app.jobs.schemas import Job
from app.models import aliases
from app.models import service as models
from app.models.schemas import Model, ModelItem
from app.problems import NotFound
from app.registry.card_schemas import Card, CardBaseline, CardData, CardEvaluation, CardTraining, CardUse
from app.registry.limits import limits
from engine.directions import HIGHER_IS_BETTER
from engine.encoding import Feature
from engine.reports import AnyEvaluation


def card(session: Session, ref: str) -> Card:
    """The card of the model that `ref` names; raises `NotFound`."""
    model = models.get(session, ref)
    job = _job(session, model)
    return Card(
        model=ModelItem.model_validate(model.model_dump()),
        aliases=aliases.of_version(session, model.name, model.version),
        predicts=_predicts(model),
        target=model.target,
        features=model.features,
        data=_data(model, job),
        imported=model.lineage.imported,
        training=None if model.lineage.imported is not None else _training(model, job),
        evaluation=None if model.evaluation is None else _evaluation(model.evaluation),
        worst_slices=[]
        if model.evaluation is None or model.evaluation.slices is None
        else model.evaluation.slices.worst,
        limits=limits(model, job),
        use=_use(model, _dataset(session, model)),
        environment=model.lineage.environment,
    )


def _job(session: Session, model: Model) -> Job | None:
    try:
        return None if model.job_id is None else jobs.get(session, model.job_id)
    except NotFound:  # it was deleted
        return None


def _dataset(session: Session, model: Model) -> DatasetDetail | None:
    try:
        return None if model.dataset_id is None else datasets.get(session, model.dataset_id)
    except NotFound:
        return None


def _predicts(model: Model) -> str:
    columns = f"from {len(model.features)} column{'' if len(model.features) == 1 else 's'}"
    target, names = model.target, _target_names(model.target)
    match model.task:
        case "autoencoding":
            return f"how unusual a row is, {columns}"
        case "multilabel":
            return f"which of {len(names)} labels hold ({', '.join(names)}), {columns}"
        case "regression" | "count":
            return f"{'counts of ' if model.task == 'count' else ''}{' and '.join(names)}, {columns}"
        case "ordinal":
            return f"one of {len(target['classes'])} ordered classes of {names[0]}, {columns}"
        case _:
            return f"one of {len(target['classes'])} classes of {names[0]}, {columns}"


def _target_names(target: dict[str, Any]) -> list[str]:
    return list(target.get("names") or filter(None, [target.get("name")]))


def _data(model: Model, job: Job | None) -> CardData | None:
    dataset = model.lineage.dataset
    if dataset is None:
        return None
    plan = job and job.plan
    return CardData(
        name=dataset.name,
        sha256=dataset.sha256,
        dataset_id=dataset.id,
        rows=plan and plan.rows,
        class_counts=plan and plan.class_counts,
        left_out=plan.left_out if plan else [],
    )


def _training(model: Model, job: Job | None) -> CardTraining:
    lineage, training = model.lineage, model.lineage.training
    optimizer, loss = training.get("optimizer") or {}, training.get("loss")
    return CardTraining(
        layers=[_layer(layer) for layer in lineage.network.get("layers", [])],
        parameters=job.plan.network.parameters if job else None,
        optimizer=optimizer.get("kind", "unknown"),
        learning_rate=optimizer.get("learning_rate"),
        loss=loss["kind"] if isinstance(loss, dict) else str(loss),
        epochs=training["epochs"],
        best_epoch=training.get("best_epoch"),
        stopped_early=bool(training.get("stopped_early")),
        seed=lineage.seed,
        job_id=model.job_id,
        seconds=job.progress.seconds if job and job.progress else None,
        start_from=lineage.start_from,
        changes=len(lineage.changes),
        notes=job.plan.notes if job else [],
    )


def _layer(layer: dict[str, Any]) -> str:
    size = next((layer[name] for name in ("units", "filters", "rate") if layer.get(name) is not None), None)
    return layer["kind"] if size is None else f"{layer['kind']} {size}"


def _evaluation(evaluation: AnyEvaluation) -> CardEvaluation:
    found = evaluation.baselines
    return CardEvaluation(
        of=evaluation.of,
        rows=evaluation.rows,
        figures=_figures(evaluation),
        test=None if evaluation.test is None else _figures(evaluation.test),
        test_rows=evaluation.test and evaluation.test.rows,
        baselines=[
            CardBaseline(kind=kind, scores=scores)
            for kind, scores in [
                ("network", found.network_validation or found.network_test),
                *((each.kind, each.validation or each.test) for each in found.models),
            ]
            if scores is not None
        ]
        if found
        else [],
        summary=found.summary if found else [],
        confusion_labels=getattr(evaluation, "confusion_labels", None),
        confusion=getattr(evaluation, "confusion", None),
    )


def _figures(evaluation: AnyEvaluation) -> dict[str, float | None]:
    return {name: getattr(evaluation, name) for name in HIGHER_IS_BETTER if hasattr(evaluation, name)}


def _use(model: Model, dataset: DatasetDetail | None) -> CardUse:
    profiles = {} if dataset is None else {column.name: column for column in dataset.columns}
    record = {
        feature.name: _typical(
            feature, profiles[feature.name].model_dump(mode="json") if feature.name in profiles else {}
        )
        for feature in model.features
    }
    path = f"/v1/models/{model.name}:{model.version}/predict"
    return CardUse(method="POST", path=path, body={"records": [record]})


def _typical(feature: Feature, profile: dict[str, Any]) -> object:
    """A value that is not unusual; null where none is known, as of images and arrays."""
    if feature.shape is not None:
        return None
    if feature.categories is not None:
        frequent = [each["value"] for each in profile.get("top") or () if each["value"] in feature.categories]
        return next(iter([*frequent, *feature.categories]), None)
    median: object = (profile.get("quantiles") or {}).get("0.5")
    if isinstance(median, float):
        return int(median) if profile["integer"] else float(f"{median:.4g}")
    return next((each["value"] for each in profile.get("top") or ()), profile.get("min"))
