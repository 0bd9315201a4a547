"""How much one key, owner or address may ask for."""

import threading
from contextlib import contextmanager

import pytest
from hand_made import ROWS, keep, make
from hand_made_jobs import claim
from keyed import Keyed
from sqlalchemy import select

from app.audit.store import AuditRow
from app.auth.rates import FAILURES, Rates, _network
from app.problems import TooMany
from app.turns import in_turn

NETWORK = {"name": "n", "layers": [{"kind": "dense"}]}
CSV = b"x,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(40))


@pytest.fixture
def start(start_service, tmp_path):
    @contextmanager
    def start(**settings):
        with start_service(tmp_path / "data", **settings) as service:
            yield Keyed(service)

    return start


def test_a_key_has_a_rate(start):
    with start(rate_per_minute=3) as keyed:
        key, other = keyed.key(), keyed.key()
        with keyed.client(key) as client:
            answers = [client.get("/v1/networks") for _ in range(4)]
            assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
            assert [answer.headers["ratelimit"].split(";")[1] for answer in answers] == [
                "r=2",
                "r=1",
                "r=0",
                "r=0",
            ]
            assert answers[0].headers["ratelimit-policy"] == '"requests";q=3;w=60'
            assert 1 <= int(answers[3].headers["retry-after"]) <= 60
            assert answers[3].json()["type"] == "urn:backpropd:rate_limited"
            assert client.get("/healthz").status_code == 200
        assert keyed.get(other, "/v1/networks").status_code == 200  # of the same owner


def test_predictions_are_counted_apart(start):
    with start(rate_per_minute=1, predictions_per_minute=2) as keyed:
        model = keep(keyed.service.context, make(), owner="ada").id
        with keyed.client(keyed.key()) as client:
            asked = [client.post(f"/v1/models/{model}/predict", json={"records": ROWS[:1]}) for _ in range(3)]
            assert [answer.status_code for answer in asked] == [200, 200, 429]
            assert '"predictions";q=2' in asked[0].headers["ratelimit-policy"]
            assert client.get("/v1/models").status_code == 200


def test_a_rate_of_0_is_any(start):
    with start(rate_per_minute=0) as keyed, keyed.client(keyed.key()) as client:
        for _ in range(5):
            answer = client.get("/v1/networks")
        assert answer.status_code == 200
        assert "ratelimit" not in answer.headers


def test_without_keys_there_is_no_rate(start):
    with start(rate_per_minute=1) as keyed:
        for _ in range(3):
            assert keyed.request("GET", "/v1/networks").status_code == 200


def test_the_window_moves(monkeypatch):
    time = [1000.0]
    monkeypatch.setattr("limits.storage.memory.time.time", lambda: time[0])
    rates = Rates({"requests": 2})
    rates.count("requests", "key_a")
    time[0] += 40
    rates.count("requests", "key_a")
    with pytest.raises(TooMany):
        rates.count("requests", "key_a")
    time[0] += 21  # the first is a minute ago, the second is not
    rates.count("requests", "key_a")
    with pytest.raises(TooMany):
        rates.count("requests", "key_a")


def test_wrong_keys_are_limited_per_address_and_good_ones_pass(start):
    with start() as keyed:
        key = keyed.key()
        with keyed.client(Authorization="Bearer bpd_guess") as client:
            statuses = [client.get("/v1/networks").status_code for _ in range(FAILURES + 2)]
        assert statuses == [401] * FAILURES + [429] * 2
        assert keyed.get(key, "/v1/networks").status_code == 200
        with keyed.database.read() as session:  # nor can anybody fill the log
            assert len(session.scalars(select(AuditRow)).all()) == FAILURES


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("10.0.0.1", "10.0.0.2", False),
        ("2001:db8::1", "2001:db8::ffff:2", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.2", False),
        ("", "10.0.0.1", False),
    ],
)
def test_one_client_is_an_address_or_a_network(one, other, same):
    assert (_network(one) == _network(other)) == same


def launch(client, dataset):
    return client.post("/v1/jobs", json={"dataset_id": dataset, "target": "y"})


def upload(client, data=CSV):
    return client.post("/v1/datasets", content=data, headers={"Content-Type": "text/csv"})


def test_the_queue_of_an_owner_has_an_end(start):
    with start(max_queued_jobs=2) as keyed:
        ada, bob = keyed.key("ada"), keyed.key("bob")
        with keyed.client(ada) as client:
            dataset = upload(client).json()["id"]
            jobs = [launch(client, dataset) for _ in range(3)]
            assert [answer.status_code for answer in jobs] == [202, 202, 429]
            assert jobs[2].headers["retry-after"] == "30"
            assert jobs[2].json()["type"] == "urn:backpropd:queue_full"
            assert len(client.get("/v1/jobs").json()["items"]) == 2
            claim(keyed.database)
            assert launch(client, dataset).status_code == 202
            # What is back in the queue counts as well.
            paused = jobs[1].json()["id"]
            assert client.post(f"/v1/jobs/{paused}/pause").json()["status"] == "paused"
            assert launch(client, dataset).status_code == 202
            assert client.post(f"/v1/jobs/{paused}/resume").status_code == 429
            assert client.get(f"/v1/jobs/{paused}").json()["status"] == "paused"
        with keyed.client(bob) as client:
            assert launch(client, upload(client).json()["id"]).status_code == 202


def test_jobs_sent_at_once_do_not_slip_in(start):
    with start(max_queued_jobs=1) as keyed, keyed.client(keyed.key()) as client:
        dataset, statuses = upload(client).json()["id"], []
        threads = [
            threading.Thread(target=lambda: statuses.append(launch(client, dataset).status_code))
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [202, 429, 429, 429]


def test_an_owner_has_so_much_space(start):
    with start(max_storage_bytes=len(CSV) * 2) as keyed:
        with keyed.client(keyed.key("ada")) as client:
            assert [upload(client).status_code for _ in range(2)] == [201, 201]
            before = keyed.service.files()
            refused = upload(client)
            assert (refused.status_code, refused.json()["type"]) == (507, "urn:backpropd:storage_quota")
            assert f"{len(CSV) * 2:,} of {len(CSV) * 2:,} bytes" in refused.json()["detail"]
            assert keyed.service.files() == before
            client.delete(f"/v1/datasets/{client.get('/v1/datasets').json()['items'][0]['id']}")
            assert upload(client).status_code == 201
        with keyed.client(keyed.key("bob")) as client:
            assert upload(client).status_code == 201


def test_models_count_as_well(start):
    with start(max_storage_bytes=len(CSV)) as keyed, keyed.client(keyed.key("ada")) as client:
        dataset = upload(client).json()["id"]
        model = keep(keyed.service.context, make(), owner="ada").id
        assert launch(client, dataset).json()["type"] == "urn:backpropd:storage_quota"
        client.delete(f"/v1/models/{model}")
        assert launch(client, dataset).status_code == 202


def test_those_who_plan_at_once_wait_for_their_turn(start, monkeypatch):
    """And are told so when it takes long; others are answered meanwhile."""
    monkeypatch.setitem(in_turn.__kwdefaults__, "wait", 0.2)
    busy, go = threading.Semaphore(0), threading.Event()

    def plan(*_):
        busy.release()
        go.wait(30)
        raise TooMany("the plan of a test", code="planned")

    monkeypatch.setattr("app.jobs.service.plan", plan)
    with start() as keyed, keyed.client(keyed.key()) as client:
        dataset, types = upload(client).json()["id"], []
        threads = [
            threading.Thread(target=lambda: types.append(launch(client, dataset).json()["type"]))
            for _ in range(2)
        ]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert busy.acquire(timeout=30)
        refused = launch(client, dataset)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:backpropd:busy")
        assert int(refused.headers["retry-after"]) >= 1
        assert client.get("/v1/networks").status_code == 200
        go.set()
        for thread in threads:
            thread.join()
        assert types == ["urn:backpropd:planned"] * 2
