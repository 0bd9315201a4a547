"""Backups: everything at one moment, checked before it is used, from either database and into either."""

import json
import sqlite3
import tarfile
import threading
from contextlib import closing

import pytest
from hand_made import ROWS, keep, make
from sqlalchemy import select, text

from app.backup import archive, rows
from app.backup import service as backups
from app.backup.archive import DamagedArchive
from app.backup.service import CannotBackUp, CannotRestore
from app.backup.snapshot import FileMissing
from app.database import Database, now
from app.events import store as events
from app.ids import new_id
from app.jobs.store import CheckpointRow, JobRow, WorkerRow
from app.networks.store import NetworkRow
from app.schema import is_current, upgrade
from app.settings import Settings
from engine import checkpoint
from engine.checkpoint import Checkpoint

KINDS = ("sqlite", "postgresql")
SPEC = {"name": "n", "layers": [{"kind": "dense", "units": 2}]}


@pytest.fixture
def new_url(request):
    """Gives the URL of a database without tables, of a kind; None is the file in the data folder."""

    def url(kind):
        if kind == "sqlite":
            return None
        server = request.getfixturevalue("postgres")
        return server.create(new_id("bak"))

    return url


@pytest.fixture(params=KINDS)
def filled(request, start_service, tmp_path):
    """A service with a data set, a network, a model, and a job with events and a checkpoint."""
    settings = {}
    if request.param == "postgresql":
        settings["database_url"] = request.getfixturevalue("new_postgres_url")()
    with start_service(tmp_path / "data", **settings) as running:
        fill(running)
        yield running


def fill(service):
    dataset = service.upload_penguins()
    assert service.client.post("/v1/networks", json=SPEC).status_code == 201
    keep(service.context, make("species"))
    job_id, storage = new_id("job"), service.context.storage
    path = storage.checkpoint(job_id, 1, 10)
    path.parent.mkdir()
    sha256 = checkpoint.save(path, Checkpoint({}, {"epoch": 1}))
    with service.context.database.write() as session:
        session.add(
            JobRow(
                id=job_id,
                status="queued",
                request={"float": 0.1, "text": "ä\n"},
                network={},
                plan={},
                model_name="m",
                task="binary",
                dataset_id=dataset["id"],
                dataset={},
                inputs={},
                tags=["a"],
                priority=0,
                attempt=1,
                created_at=now(),
            )
        )
        session.flush()
        events.append(session, job_id, "log", {"message": "x"})
        session.add(
            CheckpointRow(
                job_id=job_id,
                attempt=1,
                step=10,
                epoch=1,
                file=str(path.relative_to(storage.root)),
                bytes=path.stat().st_size,
                sha256=sha256,
                environment={},
                created_at=now(),
            )
        )
        session.add(WorkerRow(id="wrk_a", pid=1, host="h", started_at=now(), seen_at=now()))


def everything(settings):
    """All rows of all tables that a backup holds, and all files."""
    with closing(Database(settings.url)) as database, database.engine.connect() as connection:
        found = {
            table.name: [
                dict(row) for row in connection.execute(select(table).order_by(*table.primary_key)).mappings()
            ]
            for table in rows.tables(connection).sorted_tables
        }
    files = {
        str(path.relative_to(settings.data)): path.read_bytes()
        for folder in backups.FILES
        for path in (settings.data / folder).rglob("*")
        if path.is_file()
    }
    return found, files


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_restored_is_what_was_backed_up_in_either_database(filled, kind, new_url, tmp_path):
    made = backups.backup(filled.settings, tmp_path / "b.tar")
    assert backups.check(tmp_path / "b.tar") == made
    restored = Settings(data=tmp_path / "restored", database_url=new_url(kind))
    assert backups.restore(restored, tmp_path / "b.tar") == made
    rows, files = everything(restored)
    assert (rows, files) == everything(filled.settings)
    assert all(rows[name] for name in ("datasets", "networks", "models", "jobs", "job_events", "checkpoints"))
    assert "workers" not in rows
    assert len(files) == 3


def test_a_restored_service_predicts_the_same(filled, start_service, tmp_path):
    body = {"records": [{name: value for name, value in ROWS[0].items() if name != "species"}]}
    before = filled.client.post("/v1/models/penguins/predict", json=body)
    assert before.status_code == 200, before.text
    backups.backup(filled.settings, tmp_path / "b.tar")
    backups.restore(Settings(data=tmp_path / "restored"), tmp_path / "b.tar")
    with start_service(tmp_path / "restored") as restored:
        assert restored.client.post("/v1/models/penguins/predict", json=body).json() == before.json()


def test_an_archive_is_for_its_owner_s_eyes_alone_and_nothing_else_is_left(filled, tmp_path):
    backups.backup(filled.settings, tmp_path / "b.tar")
    backups.check(tmp_path / "b.tar")
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith((".", "b"))] == [
        "b.tar",
        "backpropd.db",
    ][:1]
    assert list(filled.context.storage.tmp.iterdir()) == []


def test_a_backup_replaces_nothing(filled, tmp_path):
    (tmp_path / "b.tar").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        backups.backup(filled.settings, tmp_path / "b.tar")
    assert (tmp_path / "b.tar").read_bytes() == b"precious"


def test_without_a_database_there_is_nothing_to_back_up(tmp_path):
    with pytest.raises(CannotBackUp, match="no service"):
        backups.backup(Settings(data=tmp_path / "nowhere"), tmp_path / "b.tar")
    assert not (tmp_path / "nowhere").exists()


def test_a_row_whose_file_is_gone_is_told(filled, tmp_path):
    model = next(filled.context.storage.models.iterdir())
    model.unlink()
    with pytest.raises(FileMissing, match=model.name):
        backups.backup(filled.settings, tmp_path / "b.tar")
    assert not (tmp_path / "b.tar").exists()


def test_only_an_empty_place_is_restored_into(filled, tmp_path):
    backups.backup(filled.settings, tmp_path / "b.tar")
    before = everything(filled.settings)
    with pytest.raises(CannotRestore, match="not empty"):
        backups.restore(filled.settings, tmp_path / "b.tar")
    elsewhere = Settings(data=tmp_path / "other", database_url=filled.settings.url)
    with pytest.raises(CannotRestore, match="has tables"):
        backups.restore(elsewhere, tmp_path / "b.tar")
    assert everything(filled.settings) == before


# Damage


@pytest.fixture
def whole(start_service, tmp_path):
    """A whole archive."""
    with start_service(tmp_path / "data") as running:
        fill(running)
        backups.backup(running.settings, tmp_path / "whole.tar")
    return tmp_path / "whole.tar"


def members(path):
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def packed(path, files):
    """An archive of these files, whose manifest fits."""
    folder = path.with_suffix("")
    for name, data in files.items():
        if name != archive.MANIFEST:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    archive.pack(folder, path, json.loads(files[archive.MANIFEST])["revision"])
    return path


def refuse(path, tmp_path, match):
    """Neither checked nor restored, and nothing left."""
    with pytest.raises(DamagedArchive, match=match):
        backups.check(path)
    settings = Settings(data=tmp_path / "into")
    with pytest.raises(DamagedArchive, match=match):
        backups.restore(settings, path)
    assert list(settings.data.iterdir()) == []


@pytest.mark.slow  # a database for each bit
def test_any_flipped_bit_is_found(whole, tmp_path):
    data = whole.read_bytes()
    with tarfile.open(whole) as tar:
        # In every member's header and content; what pads a block is nobody's data.
        places = [
            place
            for entry in tar
            for place in (entry.offset + 3, entry.offset_data + entry.size // 2)
            if entry.size
        ]
    for place in places:
        flipped = bytearray(data)
        flipped[place] ^= 4
        (tmp_path / "flipped.tar").write_bytes(flipped)
        with pytest.raises(DamagedArchive):
            backups.check(tmp_path / "flipped.tar")


@pytest.mark.parametrize("kept", [0, 1, 511, 5000, 0.5, 0.99])
def test_a_torn_archive_is_refused(whole, tmp_path, kept):
    data = whole.read_bytes()
    end = data.rindex(b"}")  # of the manifest; what fills the last block is nobody's data
    (tmp_path / "torn.tar").write_bytes(data[: int(kept * end) if isinstance(kept, float) else kept])
    refuse(tmp_path / "torn.tar", tmp_path, "whole|manifest|missing|differs")


@pytest.mark.parametrize("folder", ["datasets", "models", "checkpoints", "tables"])
def test_a_missing_file_is_found(whole, tmp_path, folder):
    files = members(whole)
    gone = next(name for name in files if name.startswith(folder) and files[name])
    del files[gone]
    refuse(packed(tmp_path / "less.tar", files), tmp_path, "missing")


def test_a_row_that_refers_to_nothing_is_found(whole, tmp_path):
    files = members(whole)
    files["tables/jobs.jsonl"] = b""
    refuse(
        packed(tmp_path / "x.tar", files),
        tmp_path,
        "a row of (checkpoints|job_events) refers to a row of jobs",
    )


def test_a_model_that_does_not_load_is_found(whole, tmp_path):
    files = members(whole)
    name = next(name for name in files if name.startswith("models/"))
    files[name] = b"no model"
    refuse(packed(tmp_path / "x.tar", files), tmp_path, "SHA-256 differs")


def test_an_archive_of_an_older_version_is_brought_up_to_this_one(tmp_path):
    url = f"sqlite:///{tmp_path / 'old.db'}"
    upgrade(url, "0001_initial")
    old = Database(url)
    with closing(old), old.engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO networks (id, name, template, spec, created_at) "
                """VALUES ('net_1', 'n', NULL, '{"a": 1}', '2024-01-01 12:00:00.000000')"""
            )
        )
        (tmp_path / "old").mkdir()
        rows.dump(connection, tmp_path / "old" / "tables")
    archive.pack(tmp_path / "old", tmp_path / "old.tar", "0001_initial")
    settings = Settings(data=tmp_path / "restored")
    backups.restore(settings, tmp_path / "old.tar")
    assert is_current(settings)
    [network] = everything(settings)[0]["networks"]
    assert (network["id"], network["spec"], network["owner"]) == ("net_1", {"a": 1}, "")


def test_an_archive_of_a_newer_version_is_refused(whole, tmp_path):
    files = members(whole)
    manifest = json.loads(files[archive.MANIFEST]) | {"revision": "9999_later"}
    files[archive.MANIFEST] = json.dumps(manifest).encode()
    refuse(packed(tmp_path / "x.tar", files), tmp_path, "newer version")


@pytest.mark.parametrize(
    "name", ["../x", "/x", "models/../../x", "models/.x", "x", "models/x/../y", "models/a\\b\0c"]
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    refuse(tmp_path / "x.tar", tmp_path, "no name of a file")
    assert not (tmp_path / "x").exists()


def test_links_are_not_followed(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        link = tarfile.TarInfo("models/x")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    refuse(tmp_path / "x.tar", tmp_path, "not a plain file")


# While the service runs


@pytest.mark.slow  # many uploads
def test_every_file_that_a_row_names_is_in_it_whatever_happens_meanwhile(filled, tmp_path):
    """Data sets come, change their columns and go while backups are made: each backup is whole."""
    stop = threading.Event()

    def upload_and_delete(i):
        while not stop.is_set():
            dataset = filled.upload(b"a,b\n1,x\n2,y\n", name=f"d{i}")
            path = f"/v1/datasets/{dataset['id']}"
            change = {"columns": [{"name": "a", "type": "categorical"}]}
            assert filled.client.patch(path, json=change).status_code == 200
            assert filled.client.delete(path).status_code == 204

    threads = [threading.Thread(target=upload_and_delete, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    try:
        for i in range(5):
            backups.backup(filled.settings, tmp_path / f"b{i}.tar")
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for i in range(5):
        backups.check(tmp_path / f"b{i}.tar")


def test_a_large_sqlite_database_is_backed_up_with_its_journal(tmp_path, start_service):
    """What was committed a moment ago is in it, whichever file of SQLite's holds it."""
    with start_service(tmp_path / "data") as running:
        with running.context.database.write() as session:
            session.add_all(
                NetworkRow(id=new_id("net"), name="n", spec={}, created_at=now()) for _ in range(2000)
            )
        backups.backup(running.settings, tmp_path / "b.tar")
    assert members(tmp_path / "b.tar")["tables/networks.jsonl"].count(b"\n") == 2000
    with sqlite3.connect(running.settings.data / "backpropd.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
