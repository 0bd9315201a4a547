"""A real service to test against: a data folder, a migrated database, a real server on a free port."""

import itertools
import logging
import os
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from postgres_server import PostgresServer, is_installed, postgres_server
from threadpoolctl import threadpool_limits

from app.cli import keep_from_children
from app.connections import guarded
from app.database import Database
from app.dependencies import Context
from app.main import create_app
from app.schema import migrate
from app.settings import Settings
from engine import kernels

# The compiled kernels, which are installed for tests of their own, take seconds to load in every process.
os.environ["BACKPROPD_KERNELS"] = "numpy"
kernels.use("numpy")
# Tests run side by side: BLAS threads that wait for one another's processors make them five times as slow.
os.environ["BACKPROPD_BLAS_THREADS"] = "1"
threadpool_limits(1, user_api="blas")

PENGUINS = Path(__file__).parent.parent / "app" / "demo" / "penguins.csv"


@dataclass(frozen=True)
class Service:
    """A running service, without workers."""

    url: str
    client: httpx.Client
    settings: Settings
    context: Context
    app: Any

    def upload(self, data: bytes, content_type: str = "text/csv", **params: str) -> dict[str, Any]:
        """A data set of these bytes."""
        response = self.client.post(
            "/v1/datasets", content=data, params=params, headers={"Content-Type": content_type}
        )
        assert response.status_code == 201, response.text
        return response.json()

    def upload_penguins(self) -> dict[str, Any]:
        """The penguins as a data set."""
        return self.upload(PENGUINS.read_bytes(), name="penguins")

    def files(self) -> list[str]:
        """Every file of data sets, models and unfinished work; a refused request adds none."""
        storage = self.context.storage
        walks = (os.walk(folder) for folder in (storage.datasets, storage.models, storage.tmp))
        return sorted(  # os.walk, since it does not mind a folder that is removed meanwhile
            str(Path(parent, name).relative_to(storage.root))
            for walk in walks
            for parent, folders, files in walk
            for name in (*folders, *files)
        )


StartService = Callable[..., AbstractContextManager[Service]]


def pytest_addoption(parser: pytest.Parser) -> None:
    """`make test ARGS=--postgres`: the API's tests on PostgreSQL in place of SQLite."""
    parser.addoption("--postgres", action="store_true", help="the API's tests on PostgreSQL, not SQLite")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """What starts a service or a server is slow. What looks into SQLite itself has nothing to look at on PostgreSQL."""
    for item in items:
        parameters = getattr(item, "callspec", None)
        on_a_server = parameters is not None and parameters.params.get("database_url") == "postgresql"
        if on_a_server or "start_service" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
    if config.getoption("--postgres"):
        for item in items:
            if item.get_closest_marker("sqlite"):
                item.add_marker(pytest.mark.skip("looks into SQLite itself"))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """What a test configures of the logs, to a stream that ends with it, ends with it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture(scope="session", autouse=True)
def _light_children() -> None:
    """A child of the fork server imports the parent's `__main__` again: pytest's is of no use to ours."""
    keep_from_children()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database at the head revision, to be copied."""
    data = tmp_path_factory.mktemp("migrated")
    migrate(Settings(data=data))
    return data / "backpropd.db"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, where it is installed."""
    if not is_installed():
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    with postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def new_postgres_url(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], str]:
    """Makes a database at the head revision; its URL."""
    url = postgres.create("migrated")
    migrate(Settings(data=tmp_path_factory.mktemp("migrated"), database_url=url))
    numbers = itertools.count()
    return lambda: postgres.create(f"test_{next(numbers)}", "migrated")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database at the head revision: of each kind in turn."""
    if request.param == "postgresql":
        url: str = request.getfixturevalue("new_postgres_url")()
        return url
    shutil.copy(request.getfixturevalue("migrated"), tmp_path / "backpropd.db")
    return f"sqlite:///{tmp_path / 'backpropd.db'}"


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database, of each kind in turn."""
    database = Database(database_url)
    yield database
    database.close()


@pytest.fixture(scope="session")
def start_service(migrated: Path, request: pytest.FixtureRequest) -> StartService:
    """Starts a service over a folder, with settings of one's own; a context manager."""
    on_postgres = request.config.getoption("--postgres")
    new_url = request.getfixturevalue("new_postgres_url") if on_postgres else None
    urls: dict[Path, str] = {}  # of folders, which may be served again

    @contextmanager
    def start(data: Path, **settings: Any) -> Iterator[Service]:
        data.mkdir(exist_ok=True)
        if new_url is not None:
            urls[data] = settings.setdefault("database_url", urls.get(data) or new_url())
        elif "database_url" not in settings and not (data / "backpropd.db").exists():
            shutil.copy(migrated, data / "backpropd.db")
        chosen = Settings(data=data, workers=0, **settings)
        app = create_app(chosen)
        with _server(app) as url, httpx.Client(base_url=url, timeout=60) as client:
            yield Service(url, client, chosen, app.state.context, app)

    return start


@pytest.fixture
def service(start_service: StartService, tmp_path: Path) -> Iterator[Service]:
    """A service with an empty data folder."""
    with start_service(tmp_path / "data") as running:
        yield running


@contextmanager
def _server(app: Any) -> Iterator[str]:
    """Serve an application in a thread; its address."""
    # The protocol must be named: for others asyncio leaves Nagle's algorithm on, which costs 40 ms an answer.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http=guarded(app.state.context.settings),
            ws="none",
            proxy_headers=False,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.002)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
