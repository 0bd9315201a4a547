"""Whether a checkpoint is of the training that wants to go on."""

from typing import Any

from pydantic import ValidationError

from engine.checkpoint import CheckpointMismatch
from engine.differences import first_difference
from engine.training.spec import TrainingSpec


def identity(recipe: TrainingSpec, rows: int) -> dict[str, Any]:
    """What tells a training on so many rows from others, in JSON."""
    return {"rows": rows, "recipe": recipe.model_dump(mode="json")}


def check_identity(facts: dict[str, Any], recipe: TrainingSpec, rows: int) -> None:
    """Raise `CheckpointMismatch` where `facts` hold the identity of another training."""
    if facts["rows"] != rows:
        raise CheckpointMismatch(
            f"the checkpoint is of a training on {facts['rows']} rows, but here are {rows}"
        )
    try:
        other = TrainingSpec.model_validate(facts["recipe"])
    except ValidationError as error:
        raise CheckpointMismatch(f"the checkpoint's recipe is not understood: {error}") from error
    if difference := first_difference(_fixed(other), _fixed(recipe)):
        raise CheckpointMismatch(f"the checkpoint is of another recipe: there {difference}")


def _fixed(recipe: TrainingSpec) -> dict[str, Any]:
    """What must be the same for a training to go on: all but what `Changes` may change."""
    fixed = recipe.model_dump(mode="json", exclude={"epochs"})
    del fixed["optimizer"]["learning_rate"]
    if fixed["early_stopping"]:
        del fixed["early_stopping"]["patience"]
    return fixed
