"""The plan of a training, once everything about it is decided."""

from collections.abc import Sequence

from engine.appraisal import REPORT_ROWS
from engine.duration import estimated_seconds
from engine.encoding import DatasetWarning
from engine.encoding.table import TableEncoder
from engine.encoding.target import AnyTarget, ClassTarget, label_text
from engine.goal import GoalSpec, LeftOut, Plan, Rows
from engine.members import note_of
from engine.model import model_bytes
from engine.network import NetworkSpec
from engine.row_losses import memory_bytes
from engine.summary import summarize
from engine.tasks import Task
from engine.training import TrainingSpec
from engine.trust.assurance import DEFAULT_COVERAGE
from engine.trust.conformal import least_rows

ITEM_BYTES = 4  # float32
HELD_BYTES = (
    32  # of a value of a table's column while rows are parted: itself, and copies of it and of row numbers
)
PIECE_BYTES = 128 * 2**20  # what reading and encoding a piece of a table takes


def plan_of(  # noqa: PLR0913 - a plan tells of everything that was decided
    goal: GoalSpec,
    recipe: TrainingSpec,
    *,
    task: Task,
    reason: str,
    loss: str,
    features: Sequence[str],
    rows: Rows,
    encoder: TableEncoder,
    target: AnyTarget,
    class_counts: dict[str, int] | None,
    network: NetworkSpec,
    held: int | None,
    notes: Sequence[str | None],
    warnings: list[DatasetWarning],
) -> Plan:
    """The plan. `network` is resolved, `features` are the ones that were chosen, encoded or not.

    `held`: where encoded rows are mapped from a file, how many of the table's columns are held in memory.
    """
    used = {feature.name for feature in encoder.features}
    summary = summarize(
        network,
        encoder.shape,
        batch=recipe.batch_rows(rows.training),
        slots=recipe.values_per_parameter,
    )
    width = encoder.width + target.outputs
    copied = recipe.copied_rows(rows.training, width * ITEM_BYTES)
    apart = max(rows.calibration, rows.test)
    if held is None:
        data = (rows.training + copied + rows.validation + apart) * width * ITEM_BYTES
    else:
        in_report = min(rows.validation, REPORT_ROWS) + min(apart, REPORT_ROWS)
        data = (copied + in_report) * width * ITEM_BYTES + rows.total * held * HELD_BYTES + PIECE_BYTES
    return Plan(
        task=task,
        task_reason=reason,
        target=list(goal.targets),
        classes=[label_text(label) for label in target.classes] if isinstance(target, ClassTarget) else None,
        class_counts=class_counts,
        features=[name for name in features if name in used],
        left_out=[
            LeftOut(column=warning.column, reason=warning.detail)
            for warning in warnings
            if warning.column in set(features) - used
        ],
        rows=rows,
        input_shape=list(encoder.shape),
        outputs=target.outputs,
        loss=loss,
        quality=goal.quality,
        scaling=goal.scaling,
        categories=goal.categories,
        texts=goal.texts,
        clip=goal.clip,
        training=recipe,
        network=summary,
        memory_bytes=data
        + summary.training_bytes
        + model_bytes(network, encoder.shape)
        + summary.bytes  # the model's file
        + (memory_bytes(rows.training, target.outputs) if recipe.row_losses else 0),
        estimated_seconds=estimated_seconds(summary, recipe, rows.training, rows.validation),
        notes=list(filter(None, (*notes, note_of(summary), _calibration_note(rows)))),
        warnings=warnings,
    )


def with_learning_curve(plan: Plan, shares: Sequence[float], seconds: float) -> Plan:
    """The plan of a training that is followed by others on shares of its rows, while it is still there.

    `seconds`: what the training that they repeat takes.
    """
    more = [share for share in shares if share < 1]
    if not more:
        return plan
    return plan.model_copy(
        update={
            "memory_bytes": 2 * plan.memory_bytes,
            "estimated_seconds": plan.estimated_seconds + sum(more) * seconds,
        }
    )


def _calibration_note(rows: Rows) -> str | None:
    """What the plan says of calibration rows that are too few for the usual coverage."""
    needed = least_rows(DEFAULT_COVERAGE)
    if not 0 < rows.calibration < needed:
        return None
    return (
        f"{rows.calibration} calibration rows are too few for sets or intervals with a coverage of "
        f"{DEFAULT_COVERAGE:g}, which need {needed}"
    )
