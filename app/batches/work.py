"""A batch prediction from its worker's side. Without the service, which brings FastAPI."""

from pathlib import Path

from app.batches.schemas import BatchRun
from app.jobs.queue import Held
from app.jobs.states import Kind
from app.settings import Settings
from app.storage import Storage

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
