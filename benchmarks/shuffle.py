"""How fast data that need not fit into memory trains: by block shuffle, from a memory map and from memory.

    python benchmarks/shuffle.py [--strict] [--rows N]

The same training runs on the same rows in turns: from an array in memory, from a map whose pages the system
has in its cache, and from a map whose pages it has just forgotten, so that the disk is read. The figures are
medians over epochs. Beside them stand the full shuffle, and what a row costs in a quarter of the rows. With
--strict a missed bar ends with exit code 1.
"""

import argparse
import mmap
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder, whose engine.py is another

from engine.layers.activations.rectifiers import ReluSpec  # noqa: E402
from engine.layers.dense import DenseSpec  # noqa: E402 - the path is right only now
from engine.losses import MseSpec  # noqa: E402
from engine.metrics import metric_for  # noqa: E402
from engine.network import Network, NetworkSpec  # noqa: E402
from engine.randomness import Randomness  # noqa: E402
from engine.training import Examples, NoValidation, Trainer, TrainingSpec  # noqa: E402

FEATURES = 100
BATCH = 256
EPOCHS = 5
NETWORK = NetworkSpec(layers=(DenseSpec(units=50), ReluSpec(), DenseSpec(units=1)))


class MappedFile:
    """Rows in a file, and an array over it whose pages can be forgotten."""

    def __init__(self, path: Path, rows: np.ndarray) -> None:
        rows.tofile(path)
        self._file = path.open("rb")
        os.fsync(self._file.fileno())
        self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        self.array = np.frombuffer(self._map, rows.dtype).reshape(rows.shape)

    def forget(self) -> None:
        """Leave the pages to be read from the disk again."""
        self._map.madvise(mmap.MADV_DONTNEED)
        os.posix_fadvise(self._file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def epochs(examples: Examples, shuffle: str) -> Iterator[None]:
    """A training, an epoch at a time."""
    spec = TrainingSpec(epochs=EPOCHS + 1, batch_size=BATCH, shuffle=shuffle, validation=NoValidation())
    randomness = Randomness(0)
    network = Network(NETWORK, (FEATURES,), batch=BATCH, rng=randomness.dropout)
    network.init(randomness.init)
    loss = MseSpec().build((1,), batch=BATCH, dtype=network.dtype)
    metric = metric_for("regression", "identity", (1,), batch=BATCH, dtype=network.dtype)
    for progress in Trainer(spec, network, loss, metric, randomness).run(examples):
        if progress.point:
            yield


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--strict", action="store_true", help="exit with 1 if a bar is missed")
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((options.rows, FEATURES), np.float32)
    y = x[:, :1] - x[:, 1:2]
    with tempfile.TemporaryDirectory() as folder:
        files = [MappedFile(Path(folder, name), array) for name, array in (("x", x), ("y", y))]
        mapped = Examples(*(file.array for file in files))
        quarter = options.rows // 4
        sides = {
            "block, in memory": (Examples(x, y), "block"),
            "block, from a map in the cache": (mapped, "block"),
            "block, from a map on the disk": (mapped, "block"),
            "full, in memory": (Examples(x, y), "full"),
            "block, in memory, a quarter of the rows": (Examples(x[:quarter], y[:quarter]), "block"),
        }
        paces = run(sides, files)
    print(f"{options.rows:,} rows of {FEATURES} features, {x.nbytes / 2**20:.0f} MiB, batch {BATCH}")
    memory = paces["block, in memory"]
    for side, pace in paces.items():
        print(f"  {side:<42} {pace:12,.0f} rows/s   {pace / memory:5.2f} of the first")
    within = [
        told(
            "from a map in the cache, of the speed in memory",
            paces["block, from a map in the cache"] / memory,
            0.8,
        ),
        told(
            "all rows, of the speed of a quarter",
            memory / paces["block, in memory, a quarter of the rows"],
            0.8,
        ),
    ]
    return 0 if all(within) or not options.strict else 1


def run(sides: dict[str, tuple[Examples, str]], files: list[MappedFile]) -> dict[str, float]:
    """Rows a second of each side: medians over epochs in turns, the first of which is not counted."""
    trainings = {side: epochs(*what) for side, what in sides.items()}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(EPOCHS + 1):
        for side, training in trainings.items():
            if side.endswith("disk"):
                for file in files:
                    file.forget()
            begin = time.perf_counter()
            next(training)
            seconds[side].append(time.perf_counter() - begin)
    return {side: len(sides[side][0]) / statistics.median(times[1:]) for side, times in seconds.items()}


def told(what: str, share: float, bar: float) -> bool:
    print(f"{what}: {share:.2f} (bar {bar}: {'met' if share >= bar else 'MISSED'})")
    return share >= bar


if __name__ == "__main__":
    sys.exit(main())
