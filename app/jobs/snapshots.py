"""Child process: the model that a training has come to, of one of its checkpoints."""

from pathlib import Path
from typing import Any

from app.jobs.assignment import Assignment
from app.jobs.planner import fitting_of
from app.problems import Conflict
from engine import checkpoint, kernels
from engine.checkpoint import CheckpointMismatch
from engine.fitting import Fitting


def snapshot(assignment: str, saved: Path, destination: Path) -> dict[str, Any]:
    """Write the model with the weights of the checkpoint `saved` into `destination`; `assignment`: JSON.

    Encoders and target are fitted as the training did. Raises `Conflict` where there is no such model, and
    `FileNotFoundError` where the checkpoint is gone.
    """
    kernels.use("numpy")
    fitting = fitting_of(Assignment.model_validate_json(assignment))
    if not isinstance(fitting, Fitting):
        raise Conflict("a job that trains several networks has no model before its end")
    try:
        model = fitting.model_at(checkpoint.load(saved)[0])
    except CheckpointMismatch:
        raise Conflict("the job is pretraining; there is a model once its training has begun") from None
    model.save(destination)
    return {}
