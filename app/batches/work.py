"""A batch prediction from its worker's side. Without the service, which brings FastAPI."""

from pathlib import Path

from app.batches.schemas import BatchRun
from app.database import Database
from app.jobs import store
from app.jobs.queue import Held
from app.jobs.states import Kind
from app.settings import Settings
from app.storage import Storage, remove

KIND: Kind = "batch_prediction"
PREDICT = "app.batches.running:predict"


def run_of(job: Held, settings: Settings, storage: Storage, scratch: Path) -> BatchRun:
    """What the process of a batch prediction is told."""
    known = BatchRun.model_fields.keys() & job.request.keys()
    return BatchRun(
        **{name: job.request[name] for name in known},
        data=storage.root,
        scratch=scratch,
        batch_id=job.id,
        memory=settings.memory_budget,
    )


def tidy(database: Database, storage: Storage, batch_id: str) -> None:
    """Remove the parts where no attempt will come that could go on after them."""
    with database.read() as session:
        goes_on = store.goes_on(session, batch_id)
    if not goes_on:
        remove(storage.parts_of(batch_id))
