"""Whether a model can answer a data set as is asked."""

from app.batches.schemas import BatchRequest, BatchRun
from app.predictions.deciding import check_threshold
from app.problems import Invalid
from engine.ensemble import AnyModel


def check_model(model: AnyModel, asked: BatchRequest | BatchRun) -> None:
    """Raise `Invalid` with a pointer to what does not suit the model."""
    if model.windows is not None:
        raise Invalid(
            "the model forecasts series, one answer a series and none a row: send the last rows of each to `predict`"
        )
    if asked.interval is not None and model.assurance.conformal is None:
        raise Invalid.at(
            "/interval",
            "the model has no calibration rows, from which sets and intervals come; "
            'train it with "calibration": {"fraction": 0.1} in its training',
        )
    if asked.threshold is not None:
        try:
            check_threshold(model.target)
        except Invalid as problem:
            raise Invalid.at("/threshold", problem.detail) from None
