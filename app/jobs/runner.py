"""Child process: one training, from the file of the data set to the file of the model.

It is started before there is a job, and waits for one. It knows no database: it tells the worker over a
pipe, in JSON. It ends by itself when the worker dies.
"""

import hashlib
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import polars as pl
from threadpoolctl import ThreadpoolController

from app.children import limit_memory
from app.failpoints import failpoint
from app.jobs.assignment import Run
from app.jobs.child import begin, failures_told, send
from app.jobs.environment import environment
from app.jobs.execution import Execution
from app.jobs.planner import fitting_of
from app.jobs.signals import Signals
from app.storage import Storage, full_disk_told, publish
from engine import kernels
from engine.fitting import Fitting, Table
from engine.folds.fitting import AnyFitting
from engine.goal import GoalSpec
from engine.training import Changes, TrainingSpec
from engine.trust.learning_curve import LearningCurve

BLAS = ThreadpoolController()


def train(pipe: Connection, signals: Signals) -> None:
    """Wait for a `Run` in JSON on the pipe, carry it out, and tell of it on the same pipe.

    `signals` is shared memory that is read each batch.
    """
    begin()
    _warm_up()
    try:
        run = Run.model_validate_json(pipe.recv_bytes())
    except EOFError:  # the worker ended before there was a job
        return
    with failures_told(pipe):
        limit_memory(run.memory)
        kernels.use(run.kernels)
        with BLAS.limit(limits=run.blas_threads, user_api="blas"):
            failpoint("before-run")
            tell, mail = partial(send, pipe), partial(_changes, pipe)
            fitting = fitting_of(run.assignment, run.scratch)
            here = environment(BLAS)
            execution = Execution(fitting, run, here, signals, tell, mail)
            with full_disk_told():
                execution.carry_out()
            curve = execution.learning_curve()
            final = execution.final()
            done = _finish(fitting, run, curve)
        send(pipe, "done", **done, checkpoint=final, environment=here)


def _warm_up() -> None:
    """Train a tiny network, so that all that is slow the first time is over before a job comes.

    Not in the fork server: it would start threads there, beside which forking is not safe.
    """
    rows = pl.DataFrame(
        {"x": [float(i) for i in range(12)], "y": ["a", "b", "c"] * 4, "z": [None, "d", "e"] * 4}
    )
    table = Table(rows, {"x": "numeric", "y": "categorical", "z": "categorical"})
    fitting = Fitting(table, GoalSpec(target="y", quality="fast"), None, TrainingSpec(epochs=1))
    for _ in fitting.run():
        pass
    fitting.appraisal.report(fitting.settled(fitting.model))


def _changes(pipe: Connection) -> list[Changes]:
    """What the worker has sent since the last look."""
    sent = []
    while pipe.poll():
        sent.append(Changes.model_validate_json(pipe.recv_bytes()))
    return sent


def _finish(fitting: AnyFitting, run: Run, curve: LearningCurve | None) -> dict[str, Any]:
    """Write the model's file; what the worker needs for the model's row. `curve`: goes into the report."""
    model, evaluation = fitting.finished()
    if evaluation is not None:
        evaluation.learning_curve = curve
    data = model.to_bytes(run.metadata)
    final = Storage(run.assignment.data).model(run.model_id)
    unfinished = run.scratch / final.name
    unfinished.write_bytes(data)
    failpoint("before-model")
    publish(unfinished, final)
    failpoint("after-model")
    return {
        "id": run.model_id,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "task": fitting.plan.task,
        "features": [feature.model_dump(mode="json") for feature in model.features],
        "target": model.target.model_dump(mode="json"),
        "evaluation": evaluation and evaluation.model_dump(mode="json"),
        "result": {"best_epoch": fitting.best_epoch, "stopped_early": fitting.stopped_early},
        "weights_sha256": fitting.weights_sha256(),
    }
