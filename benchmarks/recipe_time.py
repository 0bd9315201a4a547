"""How long the recommended recipe takes for a table of 10,000 rows and 20 columns.

    python benchmarks/recipe_time.py [--threads N] [--rows N] [--columns N] [--strict]

One network, all its epochs. With --strict more than 60 seconds end with exit code 1.
"""

import argparse
import os
import sys
import time
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parent.parent)  # not this folder, whose engine.py is another

import numpy as np  # noqa: E402
import polars as pl  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from engine.fitting import Fitting, Table  # noqa: E402 - the path is right only now
from engine.goal import GoalSpec  # noqa: E402
from engine.training import TrainingSpec  # noqa: E402

BAR = 60.0


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--strict", action="store_true", help="exit with 1 if the bar is missed")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((options.rows, options.columns))
    frame = pl.DataFrame({f"x{i}": column for i, column in enumerate(x.T)})
    met = True
    targets = {
        "regression": pl.Series("y", x[:, 0] * x[:, 1] + np.sin(3 * x[:, 2])),
        "binary": pl.Series("y", np.where(x[:, 0] * x[:, 1] > 0, "yes", "no")),
    }
    with threadpool_limits(options.threads):
        for task, target in targets.items():
            seconds, of_processor = _seconds(frame.with_columns(target), task)
            met &= seconds <= BAR
            print(
                f"{task}: {options.rows:,} rows of {options.columns} columns, {options.threads} threads: "
                f"{seconds:.1f} s (bar {BAR:.0f} s), {of_processor:.1f} s of the processor, "
                f"load {os.getloadavg()[0]:.2f}"
            )
    return 0 if met or not options.strict else 1


def _seconds(frame: pl.DataFrame, task: str) -> tuple[float, float]:
    """The whole way from the table to the model, by the clock and of the processor."""
    types = {name: "categorical" if name == "y" and task == "binary" else "numeric" for name in frame.columns}
    begin, begin_of_processor = time.perf_counter(), time.process_time()
    fitting = Fitting(Table(frame, types), GoalSpec(target="y"), None, TrainingSpec(members=1))
    for _ in fitting.run():
        pass
    fitting.settled(fitting.model)
    return time.perf_counter() - begin, time.process_time() - begin_of_processor


if __name__ == "__main__":
    sys.exit(main())
