"""Child process: a question about a model, with what it takes to answer it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import polars as pl

from app.explanations.answers import Explanation
from app.explanations.requests import BACKGROUND, MAX_BACKGROUND
from app.explanations.rows import Rows
from app.problems import Conflict, Invalid, to_pointer
from engine.arrays import Array
from engine.encoding import InvalidValue
from engine.encoding.records import frame_from_records
from engine.explaining import Unexplainable
from engine.explaining.differentiable import WideScores
from engine.explaining.scores import Indices, Scores, Values
from engine.explaining.tables import median_row
from engine.predictor import Predictor

Answer = TypeVar("Answer", bound=Explanation)

IN_WORDS = {
    "median": "the training rows' medians, and no category",
    "zeros": "encoded inputs that are all 0",
}


@dataclass
class Case:
    """A question and its materials."""

    model: Predictor
    question: Any  # of the request's class, whose parts differ by method
    open_rows: Callable[[], Rows | None]  # of the data set, where there is one
    about: dict[str, Any]  # how every answer begins
    warnings: list[str] = field(default_factory=list)

    @cached_property
    def rows(self) -> Rows | None:
        """The rows of the data set; None where it is not here."""
        return self.open_rows()

    @cached_property
    def scores(self) -> Scores:
        """The model as scores."""
        return WideScores(self.model)

    @property
    def data(self) -> Rows:
        """The rows of the data set; raises `Conflict` where it is not here."""
        if self.rows is None:
            raise Conflict(
                "the data set that the model learned from is not here: it was deleted, or the model was imported; "
                "name another one as dataset_id"
            )
        return self.rows

    def answer(self, of: type[Answer], **values: Any) -> Answer:  # noqa: ANN401 - fields of the answer
        """An answer with what every one begins with."""
        return of(**self.about, method=self.question.method, warnings=self.warnings, **values)

    @cached_property
    def records(self) -> tuple[pl.DataFrame, list[list[str]]]:
        """The records as a table, and what is odd about each; raises `Invalid` with a pointer to a wrong value."""
        return self.read(self.question.records, "records")

    def read(self, records: list[dict[str, Any]], place: str) -> tuple[pl.DataFrame, list[list[str]]]:
        """Raw records that stand at `place` of the request as a table."""
        try:
            return frame_from_records(records, self.model.features)
        except InvalidValue as error:
            pointer = to_pointer((place, error.row, error.column or ""))
            raise Invalid.at(pointer, error.detail) from None

    @cached_property
    def x(self) -> Array:
        """The records, encoded."""
        encoded: Array = self.model.encoder.encode(self.records[0])
        return encoded

    def outputs(self, x: Array) -> Indices:
        """The score of each row that is asked for, or that its prediction rests on."""
        names, asked = self.scores.names, self.question.output
        if asked is None:
            return self.predicted(self.scores(x))
        text = str(asked).lower() if isinstance(asked, bool) else str(asked)
        if text not in names:
            shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
            raise Unexplainable(f"{text[:100]!r} is none of the model's outputs: {shown}", "output")
        return np.full(len(x), names.index(text))

    def predicted(self, scores: Values) -> Indices:
        """The class that is predicted; of labels and values the first."""
        target = self.model.target
        match target.kind:
            case "binary":
                return target.winners(scores[:, 1:])
            case "multiclass" | "ordinal":
                return target.winners(scores)
            case _:
                return np.zeros(len(scores), np.intp)

    def references(self, *, drawn: bool) -> tuple[Array, str]:
        """What records are compared with, encoded (rows, width), and in words; `drawn`: rows unless asked otherwise."""
        asked = self.question.reference
        if isinstance(asked, list):
            if not 0 < len(asked) <= MAX_BACKGROUND:
                raise Invalid.at("/reference", f"1 to {MAX_BACKGROUND:,} records, or a word")
            frame, _ = self.read(asked, "reference")
            return self.model.encoder.encode(frame), "the records of the request"
        if asked is None:
            asked = "data" if drawn and self.rows is not None else "median"
            if drawn and self.rows is None:
                self.warnings.append(
                    "the data set that the model learned from is not here: records are compared with medians alone"
                )
        if asked == "data":
            rows = self.data.trained_on.at_most(BACKGROUND)
            return self.model.encoder.encode(rows.frame), "rows of the data set"
        if asked == "zeros":
            return np.zeros((1, self.model.encoder.width), np.float32), IN_WORDS[asked]
        return median_row(self.model.encoder)[np.newaxis], IN_WORDS["median"]

    def by_name(self, scores: Values) -> dict[str, Any]:
        """Scores (..., names) as lists by name."""
        return {name: scores[..., place].tolist() for place, name in enumerate(self.scores.names)}
