"""Data sets, networks, jobs and models, and what can be done with them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from backpropd_client.core import datasets, jobs, models, networks, things
from backpropd_client.core.events import Event, Following
from backpropd_client.progress import Callback, Watch
from backpropd_client.resources import DatasetFields, JobFields, ModelFields, NetworkFields, Resource
from backpropd_client.synchronous.doer import Doer


class Thing(Resource):
    """What can be done with anything."""

    def __init__(self, data: dict[str, Any], doer: Doer) -> None:
        super().__init__(data)
        self._doer = doer

    def refresh(self) -> Self:
        """Read it again."""
        self._doer.run(things.refresh(self))
        return self

    def delete(self) -> None:
        """Delete it for good."""
        self._doer.run(things.delete(self.PATH, self.id))


class Dataset(Thing, DatasetFields):
    """An uploaded table."""


class Network(Thing, NetworkFields):
    """A network that was defined."""

    def summary(self, input_shape: Sequence[int], outputs: int) -> dict[str, Any]:
        """Shapes, parameters and costs of its layers."""
        return self._doer.run(networks.summary(self.id, input_shape, outputs))


class Job(Thing, JobFields):
    """A training."""

    def wait(self, *, progress: bool | Callback = False, timeout: float | None = None) -> "Model":
        """Follow the job to its end; its model.

        `progress`: True writes a line to stderr that is kept up to date, and what the training doctor finds; a function
        is called with a `Progress` after epochs, several times a second at most. `timeout`: seconds after which
        `TimeoutError` is raised, while the job goes on. Raises `JobFailed` and `JobCancelled`.
        """
        self._doer.run(things.detailed(self))
        watch = Watch(self, progress)
        for event in self.events(timeout=timeout):
            watch.see(event)
        return Model(self._doer.run(jobs.model_of(self)), self._doer)

    def events(self, *, timeout: float | None = None) -> Iterator[Event]:
        """What happens to the job, from its beginning until it ends, also over broken connections."""
        return self._doer.events(Following(self.id, self._doer.retries, timeout))

    def history(self, max_points: int = 500) -> list[dict[str, Any]]:
        """Losses and metrics after each epoch, thinned to so many points."""
        return self._doer.run(jobs.history(self, max_points))

    def answers(self, rows: models.Rows) -> list[dict[str, Any]]:
        """What a job that has no model yet says of each row, with the weights of its newest checkpoint."""
        return self._doer.run(jobs.answers(self, rows))

    def cancel(self) -> Self:
        """End it without a model."""
        return self._act("cancel")

    def pause(self) -> Self:
        """Let it rest after a checkpoint."""
        return self._act("pause")

    def resume(self) -> Self:
        """Let it go on."""
        return self._act("resume")

    def retry(self) -> Self:
        """Try a failed or cancelled job again from its last checkpoint."""
        return self._act("retry")

    def change(self, **fields: Any) -> Self:  # noqa: ANN401 - of PATCH /v1/jobs/{id}
        """Change learning_rate, patience or epochs on the way."""
        self.data = self._doer.run(jobs.change(self, fields))
        return self

    def replay(self) -> "Job":
        """A new job that trains again, and compares the weights."""
        return Job(self._doer.run(jobs.follow_up(self, "replay", None)), self._doer)

    def train_on(self, epochs: int, **fields: Any) -> "Job":  # noqa: ANN401 - of POST /v1/jobs/{id}/continue
        """A new job that goes on from the end of this one."""
        return Job(self._doer.run(jobs.follow_up(self, "continue", {"epochs": epochs, **fields})), self._doer)

    def _act(self, action: str) -> Self:
        self.data = self._doer.run(jobs.act(self, action))
        return self


class Model(Thing, ModelFields):
    """A trained model."""

    def predict(self, rows: models.Rows) -> Any:  # noqa: ANN401 - what the rows' library has
        """The label or the number for each row, in the kind that the rows are of.

        A pandas or polars DataFrame is answered with a Series, or with a DataFrame where the model has several
        targets; an array with an array; a list of dicts with a list; a dict with a value. A model of series over time
        is given the newest rows, at most 10,000, and answers with a table of a row a series.
        """
        return self._doer.run(models.predict(self, rows))

    def predict_proba(self, rows: models.Rows) -> Any:  # noqa: ANN401
        """The probability of each class, in the kind that the rows are of: a table, a column a class."""
        return self._doer.run(models.predict_proba(self, rows))

    def answers(
        self, rows: models.Rows, *, interval: float | None = None, explain: str | None = None
    ) -> list[dict[str, Any]]:
        """All that the service says of each row: label, probabilities, warnings, sets and intervals, explanation."""
        return self._doer.run(models.answers(self, rows, interval, explain))

    def evaluate(self, data: datasets.Data, *, threshold_by: Any = None) -> dict[str, Any]:  # noqa: ANN401
        """The report on data that hold the target. Data that are uploaded for it are deleted again."""
        return self._doer.run(
            datasets.using(data, lambda dataset_id: models.evaluate(self, dataset_id, threshold_by))
        )

    def explain(
        self,
        rows: models.Rows | None = None,
        method: str = "integrated_gradients",
        **options: Any,  # noqa: ANN401
    ) -> dict[str, Any]:
        """Why it answers rows as it does, by a method of the catalog; some methods take no rows."""
        return self._doer.run(models.explain(self, method, rows, options))

    def export(self, path: str | Path, *, format: str | None = None) -> Path:  # noqa: A002 - the API's name
        """Write it to a file: .onnx, .safetensors, .py (needs NumPy alone), or .npz (weights as Keras has them)."""
        return self._doer.run(models.export(self, path, format))
