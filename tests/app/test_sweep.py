"""What a start removes, and what it leaves alone."""

import os
import time

from app.storage import DAY, MINUTE
from app.sweep import sweep


def aged(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def test_a_start_removes_what_crashes_left(service):
    storage, database = service.context.storage, service.context.database
    kept = storage.dataset(service.upload_penguins()["id"])
    orphan, young = storage.model("mdl_orphan"), storage.model("mdl_young")
    for path in (orphan, young):
        path.write_bytes(b"x")
    for path in (kept, orphan):
        aged(path, 2 * DAY)
    dead, fresh = storage.tmp / "dead", storage.tmp / "fresh"
    for folder in (dead, fresh):
        folder.mkdir()
    aged(dead, 2 * MINUTE)
    with storage.scratch("held") as held:
        aged(held, 2 * MINUTE)
        sweep(database, storage)
        assert held.exists()
    assert [path.exists() for path in (kept, orphan, young, dead, fresh)] == [True, False, True, False, True]
