"""A training as its process carries it out: goes on from the best checkpoint, tells, listens, saves.

What it tells is in order: the epochs before a checkpoint come before it, and a change before the epochs that it
has changed. Whoever writes it down in that order never has a checkpoint that is ahead of the history.
"""

import json
import time
from collections.abc import Callable
from typing import Any

from app.failpoints import failpoint
from app.jobs.assignment import Change, Run
from app.jobs.examination import Examination
from app.jobs.signals import END, GO_ON, SAVE_AND_END, Signals
from app.storage import Storage, sync
from engine.checkpoint import Checkpoint, CorruptCheckpoint, load, save
from engine.folds.fitting import AnyFitting
from engine.learning_curve import CurveTrainings
from engine.training import Changes, Diverged, Progress
from engine.trust.learning_curve import LearningCurve

UPDATE_SECONDS = 0.25  # at most four messages, and so commits, a second
SAVING_SHARE = 20  # saving takes at most one part in so many of the time


class Stopped(Exception):
    """The worker asked for an end."""


class OutOfTime(Exception):
    """The job's own time limit is over."""


class StartLost(Exception):
    """What the job starts from cannot be read."""


Tell = Callable[..., None]
"""Sends a message of a kind with its content to the worker."""
Mail = Callable[[], list[Changes]]
"""Takes the changes that the worker has sent."""


class Execution:
    """One attempt of a job."""

    def __init__(
        self,
        fitting: AnyFitting,
        run: Run,
        environment: dict[str, Any],
        signals: Signals,
        tell: Tell,
        mail: Mail,
    ) -> None:
        self._fitting = fitting
        self._run = run
        self._environment = environment
        self._signals = signals
        self._tell = tell
        self._mail = mail
        self._examination = Examination(fitting, run, tell)
        self._points: list[dict[str, Any]] = []
        # Those that the worker knows of.
        self._applied = sum(change.step is not None for change in run.changes)
        self._saved_step: int | None = None
        start = time.monotonic()
        self._told_at = start - UPDATE_SECONDS  # the first epoch is told at once
        self._save_at = start + run.checkpoint_seconds
        self._deadline = float("inf") if run.seconds is None else start + run.seconds

    def carry_out(self) -> None:
        """Train to the end.

        Raises `Stopped`, `OutOfTime`, `StartLost`, and as `Fitting.run` does.
        """
        checkpoint, examined = self._best_saved()
        self._examination.begin(examined)
        try:
            self._train(checkpoint)
        except Diverged as error:
            self._tell_points()
            self._examination.diverged(error)
            raise
        self._tell_points()
        self._examination.end()

    def _train(self, checkpoint: Checkpoint | None) -> None:
        for progress in self._fitting.run(checkpoint, self._changes(checkpoint)):
            if len(self._fitting.applied) > self._applied:
                self._tell_changes()
            if progress.point is not None:
                self._points.append(progress.point._asdict())
                self._examination.see(progress.point)
            if self._signals.stop or self._signals.mail:
                self._attend(progress)
            self._keep_time(progress)

    def learning_curve(self) -> LearningCurve | None:
        """What the recipe's learning curve says, once the training is over; None where it asks for none.

        Raises `Stopped`. The training's end is saved before, so that an attempt that dies here need not repeat it.
        """
        if not self._fitting.training.learning_curve:
            return None
        self._checkpoint(self._fitting.checkpoint().facts["step"])
        self._tell(
            "log", message="the training is over; for its learning curve it is repeated on shares of the rows"
        )
        failpoint("before-curve")
        trainings = CurveTrainings(self._fitting, lambda: self._deadline - time.monotonic())
        for progress in trainings.run():
            if self._signals.stop:
                self._attend(progress)
        return trainings.curve

    def final(self) -> dict[str, Any] | None:
        """Save the state at the end, from which another job may go on; what to write of it."""
        facts = self._fitting.checkpoint().facts
        return self._save(facts["step"], facts["epochs_done"], final=True)

    def _changes(self, checkpoint: Checkpoint | None) -> list[tuple[int, Changes]]:
        """All changes with their steps.

        Those that have none yet take effect where nothing is in the history yet, so that what is there stays true.
        """
        reached = 0 if checkpoint is None else checkpoint.facts["step"]
        first = max(reached, self._run.recorded_step)
        return [
            (first if change.step is None else change.step, _plain(change)) for change in self._run.changes
        ]

    def _best_saved(self) -> tuple[Checkpoint | None, str | None]:
        """The newest checkpoint that is whole, and what the doctor noted there of this job."""
        for state in self._run.saved:
            try:
                checkpoint, metadata = load(state.path)
            except (CorruptCheckpoint, OSError) as error:
                if state.attempt == 0:
                    raise StartLost(f"the state that it starts from cannot be read: {error}") from None
                self._tell("log", message=f"the checkpoint at step {state.step} cannot be used: {error}")
                continue
            other = json.loads(metadata["environment"]) != self._environment
            facts = checkpoint.facts
            self._tell("resumed", epoch=facts["epochs_done"], step=facts["step"], environment_changed=other)
            mine = metadata["job_id"] == self._run.job_id
            return checkpoint, metadata.get("doctor") if mine else None
        if self._run.attempt > 1:
            self._tell("log", message="there is no checkpoint: starting from epoch 0")
        return None, None

    def _keep_time(self, progress: Progress) -> None:
        """Do what is due."""
        now = time.monotonic()
        late = now > self._deadline
        if self._points and (late or now - self._told_at >= UPDATE_SECONDS):
            self._tell_points()
        if late:
            raise OutOfTime
        if now >= self._save_at:
            self._checkpoint(progress.step)
            cost = time.monotonic() - now
            self._save_at = now + max(self._run.checkpoint_seconds, cost * SAVING_SHARE)

    def _attend(self, progress: Progress) -> None:
        """Do what the worker asks for."""
        if self._signals.stop == END:
            raise Stopped
        if self._signals.mail:
            self._signals.mail = GO_ON  # first: what comes from here on sets it again
            for changes in self._mail():
                self._fitting.change(changes)
        if self._signals.stop == SAVE_AND_END:
            self._checkpoint(progress.step)
            self._tell("stopped")
            raise Stopped

    def _tell_points(self) -> None:
        if self._points:
            self._tell("points", points=self._points)
        self._points, self._told_at = [], time.monotonic()

    def _tell_changes(self) -> None:
        new = self._fitting.applied[self._applied :]
        self._tell("applied", first=self._applied, steps=[applied.step for applied in new])
        self._applied += len(new)

    def _checkpoint(self, step: int) -> None:
        """Save a checkpoint and tell of it; never two of one step, whose file may have its row already.

        Before the first step there is no history that it could be ahead of.
        """
        self._tell_points()
        if step == self._saved_step and step > 0:
            return
        epoch = self._fitting.checkpoint().facts["epochs_done"]
        if (written := self._save(step, epoch)) is not None:
            self._saved_step = step
            self._tell("checkpoint", written=written)

    def _save(self, step: int, epoch: int, *, final: bool = False) -> dict[str, Any] | None:
        """Write a checkpoint's file; None where it cannot be written, which does not end the training."""
        run = self._run
        storage = Storage(run.assignment.data)
        path = storage.checkpoint(run.job_id, run.attempt, step, final=final)
        metadata = {
            **run.metadata,
            **self._examination.facts,
            "environment": json.dumps(self._environment),
        }
        try:
            failpoint("before-checkpoint")
            if not path.parent.exists():
                path.parent.mkdir()
                sync(storage.checkpoints)
            sha256 = save(path, self._fitting.checkpoint(), metadata)
            failpoint("after-checkpoint-rename")
        except (OSError, MemoryError) as error:
            self._tell("log", message=f"no checkpoint at step {step}: {error or 'out of memory'}")
            return None
        return {
            "file": str(path.relative_to(storage.root)),
            "epoch": epoch,
            "step": step,
            "sha256": sha256,
            "environment": self._environment,
        }


def _plain(change: Change) -> Changes:
    """A change without its step."""
    return Changes(**{name: getattr(change, name) for name in Changes.model_fields})
