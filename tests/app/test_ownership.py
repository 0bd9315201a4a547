"""A session that acts for an owner neither sees nor changes what is others', whatever the statement."""

import pytest
from hand_made import keep, make
from sqlalchemy import delete, exists, func, insert, select, union_all, update
from sqlalchemy.orm import Session, aliased

from app.auth import service as auth
from app.idempotency import StoredAnswer
from app.jobs.store import JobRow
from app.models import store as models
from app.models.store import ModelNameRow
from app.networks.store import NetworkRow
from app.ownership import Owned, WrongOwner, owned_tables
from app.problems import Conflict


@pytest.fixture
def database(database):
    """A database, of each kind in turn, with a network of each of two owners."""
    for owner in ("ada", "bob"):
        with database.told(owner=owner).write() as session:
            session.add(_network(owner))
    return database


def _network(name, **more):
    return NetworkRow(
        id=f"net_{name}", name=name, spec={}, created_at=auth.now(), **({"template": None} | more)
    )


def test_each_sees_their_own(database):
    for owner in ("ada", "bob"):
        with database.told(owner=owner).read() as session:
            assert [row.id for row in session.scalars(select(NetworkRow))] == [f"net_{owner}"]
            assert session.get(NetworkRow, f"net_{owner}").owner == owner
    with database.told(owner="").read() as session:
        assert session.scalars(select(NetworkRow)).all() == []
    with database.read() as session:  # a worker's
        assert len(session.scalars(select(NetworkRow)).all()) == 2


@pytest.mark.parametrize(
    "statement",
    [
        select(NetworkRow).where(NetworkRow.id == "net_ada"),
        select(NetworkRow.id).where(NetworkRow.id == "net_ada"),
        select(NetworkRow.spec).select_from(NetworkRow).filter_by(name="ada"),
        select(aliased(NetworkRow)).filter_by(name="ada"),
        select(JobRow.id).join(NetworkRow, NetworkRow.id == "net_ada"),
        select(NetworkRow.id).where(NetworkRow.id == "net_ada").with_for_update(),
        select(select(NetworkRow.id).where(NetworkRow.id == "net_ada").subquery()),
        union_all(*[select(NetworkRow.id).where(NetworkRow.id == "net_ada")] * 2),
    ],
    ids=str,
)
def test_no_query_finds_what_is_others(database, statement):
    with database.told(owner="bob").write() as session:
        assert session.execute(statement).all() == []


@pytest.mark.parametrize(
    ("statement", "own"),
    [
        (select(func.count()).select_from(NetworkRow), 1),
        (select(func.count(NetworkRow.id)), 1),
        (select(func.max(NetworkRow.name)), "bob"),
        (select(func.min(NetworkRow.name)), "bob"),
        (select(exists().where(NetworkRow.id == "net_ada")), False),
        (select(exists(select(NetworkRow.id).where(NetworkRow.id == "net_ada"))), False),
        (select(func.count()).select_from(select(NetworkRow).subquery()), 1),
        (select(select(func.count()).select_from(NetworkRow).scalar_subquery()), 1),
    ],
    ids=str,
)
def test_no_count_counts_what_is_others(database, statement, own):
    with database.told(owner="bob").read() as session:
        assert session.scalar(statement) == own


def test_getting_by_id_finds_nothing_of_others(database):
    with database.told(owner="bob").write() as session:
        assert session.get(NetworkRow, "net_ada") is None
        assert session.get(NetworkRow, "net_ada", with_for_update=True) is None
        assert session.get(NetworkRow, "net_bob", populate_existing=True) is not None


def test_changes_in_bulk_leave_others_alone(database):
    with database.told(owner="bob").write() as session:
        assert session.execute(update(NetworkRow).values(name="taken")).rowcount == 1
        assert (
            session.execute(update(NetworkRow).where(NetworkRow.id == "net_ada").values(name="x")).rowcount
            == 0
        )
        assert session.execute(delete(NetworkRow).where(NetworkRow.id == "net_ada")).rowcount == 0
        assert session.execute(delete(NetworkRow)).rowcount == 1
    with database.read() as session:
        assert [(row.id, row.name) for row in session.scalars(select(NetworkRow))] == [("net_ada", "ada")]


def test_what_is_added_belongs_to_the_session(database):
    with database.told(owner="bob").write() as session:
        session.add(_network("new"))
        session.flush()
        assert session.get(NetworkRow, "net_new").owner == "bob"


def test_an_expired_row_is_loaded_again(database):
    with database.told(owner="bob").write() as session:
        row = session.get(NetworkRow, "net_bob")
        session.expire(row)
        assert row.name == "bob"
        session.refresh(row)
        assert row.owner == "bob"


def _add(session, _adas):
    session.add(_network("new", owner="ada"))


def _give(session, _adas):
    session.get(NetworkRow, "net_bob").owner = "ada"


def _insert(session, _adas):
    session.execute(insert(NetworkRow).values(id="net_x", name="x", spec={}))


@pytest.mark.parametrize(
    ("touch", "refusal"),
    [
        (_add, WrongOwner),
        (_give, WrongOwner),
        (_insert, WrongOwner),
        (Session.merge, WrongOwner),
        (Session.delete, WrongOwner),
    ],
)
def test_a_session_cannot_touch_others(database, touch, refusal):
    with database.read() as session:
        adas = session.get(NetworkRow, "net_ada")
        session.expunge(adas)
    with pytest.raises(refusal):
        _in_bobs_session(database, touch, adas)
    with database.read() as session:
        assert {(row.id, row.owner) for row in session.scalars(select(NetworkRow))} == {
            ("net_ada", "ada"),
            ("net_bob", "bob"),
        }


def _in_bobs_session(database, touch, adas):
    with database.told(owner="bob").write() as session:
        touch(session, adas)


def test_every_table_with_things_of_people_has_an_owner():
    assert {table.__tablename__ for table in owned_tables()} >= {
        "datasets",
        "networks",
        "jobs",
        "models",
        "model_names",
        "idempotency_keys",
    }
    assert all(issubclass(table, Owned) for table in owned_tables())


def test_what_nobody_owns_is_adopted_whole(database):
    with database.told(owner="").write() as session:
        session.add(_network("free"))
        session.add(
            StoredAnswer(scope="s", request_sha256="", status=201, headers={}, body="", created_at=auth.now())
        )
        session.add(ModelNameRow(name="m", last_version=3))
    with database.write() as session:
        auth.adopt(session, "ada")
    with database.read() as session:
        assert session.get(NetworkRow, "net_free").owner == "ada"
        assert session.get(StoredAnswer, ("ada", "s")) is not None
        assert session.get(ModelNameRow, ("ada", "m")).last_version == 3
        assert session.get(NetworkRow, "net_bob").owner == "bob"


def test_models_are_adopted_with_their_names(service):
    kept = keep(service.context, make(), "penguins")
    with service.context.database.write() as session:
        auth.adopt(session, "ada")
    with service.context.database.told(owner="ada").read() as session:
        assert models.newest(session, "penguins").id == kept.id
    keep(service.context, make(), "penguins")
    with pytest.raises(Conflict, match="same names"), service.context.database.write() as session:
        auth.adopt(session, "ada")
