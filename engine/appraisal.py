"""What the rows of a finished training say of its model: how sure its answers may be, and how good they are.

appraisal = Appraisal(parted, problem, recipe, seconds=plan.estimated_seconds)
model = appraisal.settled(fitting.model)
report = appraisal.report(model)
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np
import polars as pl

from engine.encoded import columns_of, evenly
from engine.encoding import NoUsableFeature
from engine.encoding.table import TableEncoder
from engine.encoding.target import ReconstructionTarget
from engine.evaluation import Figures, evaluate
from engine.partition import LearningProblem, Partition, Table
from engine.predictor import Predictor
from engine.reports import AnyEvaluation, RowsOf
from engine.training import TrainingSpec
from engine.trust.assurance import Assurance, conformal_of
from engine.trust.baselines import Baselines, HeldOut, Where, baselines
from engine.trust.coverage import conformal_report
from engine.trust.slices import slices
from engine.trust.slicing import parts
from engine.trust.temperature import CLASSIFYING, TemperatureFit, fit_temperature, for_their_mean
from engine.trust.thresholds import ThresholdChoice

AnyPredictor = TypeVar("AnyPredictor", bound=Predictor)

REPORT_ROWS = 1_000_000
"""Rows at most, of each kind, that a report is made of."""
MOST_BASELINE_NUMBERS = 20_000_000
"""Encoded numbers (80 MB) of training rows that simpler models learn from; of more rows some are drawn."""


class Appraisal:
    """The rows of one training at work on its model, or on the model of all its networks."""

    def __init__(
        self,
        table: Table,
        parted: Partition,
        problem: LearningProblem,
        recipe: TrainingSpec,
        *,
        seconds: float,
    ) -> None:
        """`parted`: rows of the `table`. `seconds`: what the training takes, about; it bounds the time that simpler
        models may take.
        """
        self._table = table
        self._parted = parted
        self._problem = problem
        self._recipe = recipe
        self._seconds = seconds
        self._temperature: TemperatureFit | None = None
        self._answers: Figures | None = None  # to the validation rows, where they are not the model's own

    def of_networks(self, rows: pl.DataFrame, answers: Figures) -> "Appraisal":
        """The same for several networks together, of which these are the rows of one.

        `rows` validate some of them, and `answers` (rows, outputs) are those of the networks that did not train on
        them. Simpler models are not tried on them, since they would have to learn from the same rows.
        """
        recipe = self._recipe.model_copy(update={"baselines": "none"})
        parted = replace(self._parted, training=self._parted.rows, validation=rows)
        appraisal = Appraisal(self._table, parted, self._problem, recipe, seconds=self._seconds)
        appraisal._answers = answers
        return appraisal

    def settled(self, model: AnyPredictor) -> AnyPredictor:
        """The model with what it learns from rows after its training.

        An autoencoder learns how large errors usually are: from the validation rows; without any, from the training
        rows, whose errors are smaller. Classes get a temperature from the validation rows, then sets or intervals their
        scores from the calibration rows.
        """
        parted, target, task = self._parted, model.target, model.target.kind
        if isinstance(target, ReconstructionTarget):
            held = parted.training if parted.validation is None else parted.validation
            x = model.encoder.encode(self._whole(model, held))
            target = target.knowing(model.answers_to(x) if self._answers is None else self._answers, x)
        assurance = Assurance()
        if parted.validation is not None and task in CLASSIFYING and self._recipe.temperature == "auto":
            self._temperature = self._fit_temperature(model, self._whole(model, parted.validation))
            assurance = Assurance(temperature=self._temperature.temperature)
        if parted.calibration is not None:
            x, truth = _encoded(model, self._whole(model, parted.calibration))
            answers = assurance.scaled(model.plain_answers_to(x), task)
            assurance = Assurance(
                temperature=assurance.temperature, conformal=conformal_of(answers, truth, task)
            )
        return model.settled(target, assurance)

    def _fit_temperature(self, model: Predictor, rows: pl.DataFrame) -> TemperatureFit:
        """The temperature for the model; for the mean of several, by what each answers to rows it has not seen."""
        x, truth = _encoded(model, rows)
        if self._answers is None:
            return fit_temperature(model.plain_answers_to(x), truth, model.target.kind)
        return for_their_mean(fit_temperature(self._answers, truth, model.target.kind))

    def report(self, model: Predictor) -> AnyEvaluation | None:
        """The report on the validation rows, with that on the test rows in it; None where there are neither.

        Without validation rows it is the one on the test rows.
        """
        held: dict[Where, pl.DataFrame] = {}
        if self._parted.validation is not None:
            held["validation"] = self._whole(model, self._parted.validation)
        if self._parted.test is not None:
            held["test"] = self._whole(model, self._parted.test)
        answered = {where: _answered(model, frame) for where, frame in held.items()}
        if self._answers is not None:
            answers = model.assurance.scaled(self._answers, model.target.kind)
            answered["validation"] = answers, answered["validation"][1]
        reports = {where: report_on(model, held[where], *answered[where], of=where) for where in held}
        if not reports:
            return None
        report = reports.get("validation") or reports["test"]
        if self._answers is not None and report.conformal is not None:
            report.conformal = report.conformal.model_copy(update={"observed": []})
        if "validation" in reports:
            report.test = reports.get("test")
        report.temperature = self._temperature
        if self._recipe.baselines != "none":
            report.baselines = self._baselines(model, held, answered)
        return report

    def _whole(self, model: Predictor, rows: pl.DataFrame) -> pl.DataFrame:
        """Rows of the table with all columns that the model reads; of very many, some, evenly spread."""
        if self._answers is None:  # to some of them
            rows = evenly(rows, REPORT_ROWS)
        return self._table.whole(rows, columns_of(model.encoder))

    def _baselines(
        self,
        model: Predictor,
        held: dict[Where, pl.DataFrame],
        answered: dict[Where, tuple[Figures, Figures]],
    ) -> Baselines | None:
        """Simpler models on a plain encoding of the columns that the model reads; None where that is empty."""
        features = [feature.name for feature in model.encoder.features if feature.type != "text"]
        rows = self._whole(model, self._parted.training)
        try:
            encoder, _ = TableEncoder.fit(rows, self._problem.types, features, scaling="standard")
        except NoUsableFeature:
            return None
        most = max(MOST_BASELINE_NUMBERS // (encoder.width + model.target.outputs), 1)
        rows = rows.gather_every(max(-(-rows.height // most), 1))
        x = encoder.encode(rows)
        return baselines(
            x,
            model.target.truth(rows, x),
            {where: HeldOut(encoder.encode(frame), *answered[where]) for where, frame in held.items()},
            model.target.kind,
            choice=self._recipe.baselines,
            seconds=self._seconds,
            last_value=model.windows is not None,
        )


def report_on(
    model: Predictor,
    frame: pl.DataFrame,
    answers: Figures,
    truth: Figures,
    *,
    of: RowsOf,
    threshold_by: ThresholdChoice | None = None,
) -> AnyEvaluation:
    """The report on the typed rows of a table, answered and with their truth, and on parts of them."""
    report = evaluate(model.target, answers, truth, of=of, threshold_by=threshold_by)
    report.slices = slices(parts(frame, model.encoder.features), answers, truth, model.target.kind)
    if (conformal := model.assurance.conformal) is not None:
        report.conformal = conformal_report(conformal, model.target, answers, truth)
    return report


def _encoded(model: Predictor, frame: pl.DataFrame) -> tuple[np.ndarray, Figures]:
    x = model.encoder.encode(frame)
    return x, model.target.truth(frame, x)


def _answered(model: Predictor, frame: pl.DataFrame) -> tuple[Figures, Figures]:
    """The model's answers and the truth."""
    x, truth = _encoded(model, frame)
    return model.answers_to(x), truth
