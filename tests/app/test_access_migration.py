"""What was there before there were owners is still there afterwards, and nobody's."""

from contextlib import closing

import pytest
from sqlalchemy import select, text

from app.auth import service as auth
from app.database import Database
from app.idempotency import StoredAnswer
from app.models.store import ModelNameRow
from app.networks.store import NetworkRow
from app.schema import head, upgrade

pytestmark = pytest.mark.slow  # migrates from nothing

BEFORE = (
    "INSERT INTO networks (id, name, spec, created_at) VALUES ('net_a', 'n', '{}', '2026-01-01 00:00:00')",
    "INSERT INTO model_names (name, last_version) VALUES ('m', 3)",
    "INSERT INTO models (id, name, version, task, bytes, sha256, features, target, lineage, tags, created_at) "
    "VALUES ('mdl_a', 'm', 3, 'binary', 1, '', '[]', '{}', '{}', '[]', '2026-01-01 00:00:00')",
    "INSERT INTO idempotency_keys (scope, request_sha256, status, headers, body, created_at) "
    "VALUES ('POST /v1/networks one', '', 201, '{}', '', '2026-01-01 00:00:00')",
)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'old.db'}"
    return request.getfixturevalue("postgres").create("before_owners")


def test_old_rows_are_kept_and_can_be_adopted(url):
    upgrade(url, "0002_lifecycle")
    with closing(Database(url)) as database:
        with database.write() as session:
            for row in BEFORE:
                session.execute(text(row))
        upgrade(url, head())
        with database.told(owner="").read() as session:
            assert session.get(NetworkRow, "net_a").owner == ""
            assert session.get(ModelNameRow, ("", "m")).last_version == 3
            assert session.get(StoredAnswer, ("", "POST /v1/networks one")).status == 201
        with database.write() as session:
            auth.adopt(session, "ada")
        with database.told(owner="ada").read() as session:
            assert session.scalar(select(NetworkRow.id)) == "net_a"
            assert session.execute(text("SELECT owner, name, version FROM models")).one() == ("ada", "m", 3)
