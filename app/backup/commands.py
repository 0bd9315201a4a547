"""`backpropd backup` and `backpropd restore`: what they print, and how they fail."""

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from app.backup.archive import DamagedArchive, Manifest
from app.backup.service import CannotBackUp, CannotRestore, backup, check, restore
from app.backup.snapshot import FileMissing
from app.problems import Problem
from app.settings import Settings


def back_up(settings: Settings, *, file: str, check_only: bool) -> None:
    """Write an archive; with `check_only`, look at everything in one that is there."""
    path = Path(file)
    if check_only:
        _tell("whole", path, lambda: check(path))
    else:
        _tell("written", path, lambda: backup(settings, path))


def go_back(settings: Settings, *, file: str) -> None:
    """Fill an empty data folder and database from an archive."""
    path = Path(file)
    _tell("restored", path, lambda: restore(settings, path))


def _tell(done: str, file: Path, work: Callable[[], Manifest]) -> None:
    try:
        manifest = work()
    except (CannotBackUp, CannotRestore, FileMissing, Problem, OSError) as error:
        sys.exit(f"backpropd: {error}")
    except DamagedArchive as error:
        sys.exit(f"backpropd: {file} is damaged: {error}")
    except DBAPIError as error:
        sys.exit(f"backpropd: the database: {error.orig}")
    kinds = Counter(name.partition("/")[0] for name in manifest.files)
    size = sum(packed.bytes for packed in manifest.files.values())
    sys.stdout.write(
        f"{done}: {file}, made at {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC, {size:,} bytes: "
        f"{kinds['datasets']} data sets, {kinds['models']} models, {kinds['checkpoints']} checkpoints\n"
    )
