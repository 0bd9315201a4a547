"""The success of a job: its model's row, its last state and its status, in one transaction."""

from typing import Any

from sqlalchemy.orm import Session

from app.jobs import checkpoints, queue
from app.jobs.queue import Held
from app.models import service as models
from app.models.service import NewModel
from app.storage import Storage


def succeed(session: Session, storage: Storage, job: Held, done: dict[str, Any]) -> None:
    """Write what the job's process has made; raises `LeaseLost`.

    `done`: the process' last message. Of the checkpoints the last state alone is kept.
    """
    environment, result = done.pop("environment"), done.pop("result")
    weights_sha256, final = done.pop("weights_sha256"), done.pop("checkpoint")
    changes = queue.held(session, job).changes
    lineage = {
        "dataset": {"id": job.dataset_id, **job.dataset},
        "network": job.network,
        "training": job.request["training"] | result,
        "seed": job.request["training"]["seed"],
        "engine_version": environment["engine"],
        "environment": environment,
        "changes": [change for change in changes if change["step"] is not None],
        "continues": job.continues,
        "start_from": job.start_model_id,
        "weights_sha256": weights_sha256,
    }
    models.create(
        session,
        NewModel(
            name=job.model_name,
            job_id=job.id,
            dataset_id=job.dataset_id,
            lineage=lineage,
            tags=job.tags,
            owner=queue.owner(session, job),
            **done,
        ),
    )
    if final is not None:
        checkpoints.register(session, storage, job, final)
    checkpoints.keep(session, job.id, 1)
    queue.succeed(session, job, done["id"], weights_sha256)
