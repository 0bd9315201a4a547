"""Files: written whole or not at all.

A file is written in a folder under `tmp/` that its process holds a lock on, fsynced, renamed to its
final name, and the final folder is fsynced; only then may a row name it. The kernel drops the lock
when the process dies, so a sweep knows which folders nobody will finish.
"""

import errno
import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from app.failpoints import failpoint
from app.problems import StorageFull

MINUTE = 60
DAY = 24 * 3600


class Storage:
    """The data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.datasets = self.root / "datasets"
        self.models = self.root / "models"
        self.checkpoints = self.root / "checkpoints"
        self.predictions = self.root / "predictions"
        self.tmp = self.root / "tmp"
        self.run = self.root / "run"
        for folder in (self.datasets, self.models, self.checkpoints, self.predictions, self.tmp, self.run):
            folder.mkdir(parents=True, exist_ok=True)

    def dataset(self, dataset_id: str) -> Path:
        """Where the table of a data set lies, as Arrow IPC."""
        return self.datasets / f"{dataset_id}.arrow"

    def model(self, model_id: str) -> Path:
        """Where a model lies, as safetensors."""
        return self.models / f"{model_id}.safetensors"

    def batch(self, batch_id: str, format_: str) -> Path:
        """Where the answers of a batch prediction lie."""
        return self.predictions / f"{batch_id}.{format_}"

    def parts_of(self, batch_id: str) -> Path:
        """The folder of the answered parts of a batch prediction that has not ended, which may not be there."""
        return self.predictions / batch_id

    def checkpoints_of(self, job_id: str) -> Path:
        """The folder of a job's checkpoints, which may not be there."""
        return self.checkpoints / job_id

    def checkpoint(self, job_id: str, attempt: int, step: int, *, final: bool = False) -> Path:
        """Where the checkpoint of a job after a step lies, as safetensors; an attempt has names of its own.

        `final`: the one at the end of the training, beside one of the same step before the end.
        """
        ending = "final.safetensors" if final else "safetensors"
        return self.checkpoints_of(job_id) / f"{attempt}-{step}.{ending}"

    @contextmanager
    def scratch(self, name: str) -> Iterator[Path]:
        """A folder of one's own for unfinished files, removed at the end."""
        folder = self.tmp / name
        folder.mkdir()
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with full_disk_told():
                yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def sweep(self) -> None:
        """Remove the scratch folders of processes that died."""
        for folder in self.tmp.iterdir():
            with suppress(FileNotFoundError):  # its owner has just removed it
                _remove_unless_held(folder)

    def orphans(self) -> Iterator[Path]:
        """Final files and folders older than a day, to be removed where no row names them."""
        folders = (self.datasets, self.models, self.checkpoints, self.predictions)
        return _old([path for folder in folders for path in folder.iterdir()])

    def old_checkpoints(self) -> Iterator[Path]:
        """Files of checkpoints older than a day, finished or not, to be removed where no row names them."""
        return _old(list(self.checkpoints.glob("*/*")))


def _old(paths: list[Path]) -> Iterator[Path]:
    for path in paths:
        with suppress(FileNotFoundError):  # its owner has just removed it
            if time.time() - path.stat().st_mtime > DAY:
                yield path


def _remove_unless_held(folder: Path) -> None:
    if time.time() - folder.stat().st_mtime < MINUTE:  # its owner may be about to lock it
        return
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        pass
    finally:
        os.close(lock)


def publish(unfinished: Path, final: Path) -> None:
    """Make a finished file durable under its final name."""
    with full_disk_told():
        failpoint("before-publish")
        sync(unfinished)
        unfinished.rename(final)
        sync(final.parent)
        failpoint("after-publish")


def sync(path: Path) -> None:
    """Have the kernel write a file or folder to the disk; an error is never retried."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(path: Path) -> None:
    """Remove a file or folder whose row is gone already."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def full_disk_told() -> Iterator[None]:
    """Turn the system's ways to say that the disk is full into a problem."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            raise StorageFull("the disk is full; nothing was stored") from error
        raise
