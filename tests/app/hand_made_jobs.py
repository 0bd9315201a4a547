"""Jobs in the table, as the service and a worker would have put them there."""

from app.database import now
from app.ids import new_id
from app.jobs import queue
from app.jobs.store import JobRow


def queued(database, **values):
    row = JobRow(
        id=new_id("job"),
        status="queued",
        request={"training": {"epochs": 10}},
        network={},
        plan={"rows": {"training": 100}},
        model_name="m",
        task="binary",
        dataset={"name": "d", "sha256": "0"},
        inputs={},
        tags=[],
        priority=values.pop("priority", 0),
        attempt=1,
        created_at=now(),
        **values,
    )
    with database.write() as session:
        session.add(row)
    return row.id


def claim(database, worker="wrk_a"):
    with database.write() as session:
        return queue.claim(session, worker)


def point(epoch):
    return {
        "epoch": epoch,
        "step": epoch * 4,
        "train_loss": 1 / epoch,
        "validation_loss": None,
        "learning_rate": 0.1,
        "penalty": 0.0,
        "seconds": epoch * 0.5,
        "metrics": {},
    }
