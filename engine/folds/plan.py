"""The plan of a training of several networks, from the plans of each."""

from collections.abc import Sequence
from math import prod

from engine.goal import FoldRows, Plan
from engine.model import model_bytes
from engine.network import NetworkSpec
from engine.training import DatasetValidation, KFoldValidation, NoValidation, TrainingSpec


def plan_of_all(plans: Sequence[Plan], recipe: TrainingSpec, network: NetworkSpec, known_rows: int) -> Plan:
    """The plan of all networks.

    `network`: every one's, resolved. `known_rows`: how many rows of the table train or validate any of them.
    """
    largest = max(plans, key=lambda plan: plan.rows.training)
    rows = largest.rows
    validation = 0 if isinstance(recipe.validation, DatasetValidation) else rows.validation
    more = known_rows - rows.training - validation  # than the largest network sees
    return largest.model_copy(
        update={
            "rows": rows.model_copy(update={"total": rows.total + more}),
            "folds": [
                FoldRows(fold=number, training=plan.rows.training, validation=plan.rows.validation)
                for number, plan in enumerate(plans, 1)
            ],
            "memory_bytes": largest.memory_bytes + _more_bytes(largest, len(plans), network, known_rows),
            "estimated_seconds": sum(plan.estimated_seconds for plan in plans),
            "notes": [*largest.notes, *_notes(recipe)],
        }
    )


def _more_bytes(plan: Plan, networks: int, network: NetworkSpec, known_rows: int) -> int:
    """What several networks take besides what one does: at the end, while the last one's training is still there."""
    shape = tuple(plan.input_shape)
    weights = plan.network.bytes
    models = (networks - 1) * model_bytes(network, shape)
    kept = networks * weights
    file = (2 * networks - 1) * weights  # stacked, and then as bytes
    rows = 4 * prod(shape) + 3 * 8 * plan.outputs  # encoded, and answers and truth
    return models + kept + file + known_rows * rows


def _notes(recipe: TrainingSpec) -> list[str]:
    validation, networks = recipe.validation, recipe.members
    together = "the model is all of them, and answers with the mean of their answers"
    if isinstance(validation, KFoldValidation):
        which = "the rows before it" if validation.time else "the other rows"
        how = f"one a fold, each on {which} and validated on its fold"
    else:
        how = "each with a seed of its own"
    notes = [
        f"{networks} networks are trained one after the other, {how}; {together}",
        "how columns are encoded is fitted on the rows of all networks, so that all read the same inputs; how the "
        "target depends on them is learned by each from its own rows alone",
    ]
    if not isinstance(validation, DatasetValidation | NoValidation):
        notes.append(
            "the report is of out-of-fold answers: each row's by the networks that did not train on it"
        )
    return notes
