"""Models over HTTP: names, versions, lineage, deletion."""

import threading

import numpy as np
import pytest
from hand_made import keep, make

from app.models import service as models
from app.problems import NotFound
from engine.evaluation import evaluate


def test_versions_count_within_a_name_and_are_never_used_again(service) -> None:
    model = make()
    assert [keep(service.context, model, "a").version for _ in range(3)] == [1, 2, 3]
    assert keep(service.context, model, "b").version == 1
    assert service.client.delete("/v1/models/a:3").status_code == 204
    assert service.client.delete("/v1/models/a").status_code == 204  # the newest, which is 2 by now
    assert service.client.get("/v1/models/a").json()["version"] == 1
    assert keep(service.context, model, "a").version == 4


def test_a_version_is_given_once_among_many_writers(service) -> None:
    model, versions = make(), []
    threads = [
        threading.Thread(target=lambda: versions.append(keep(service.context, model).version))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(versions) == list(range(1, 9))


def test_a_version_is_not_used_up_by_a_transaction_that_fails(service) -> None:
    model = make()
    kept = keep(service.context, model)
    with pytest.raises(Exception, match=r"(?i)unique"):
        keep(service.context, model, id=kept.id)
    assert keep(service.context, model).version == 2


def test_a_model_is_found_by_id_name_and_version(service) -> None:
    first, second = (keep(service.context, make()) for _ in range(2))
    for ref, model in [
        (first.id, first),
        (second.id, second),
        ("penguins", second),
        ("penguins:1", first),
        ("penguins:2", second),
    ]:
        assert service.client.get(f"/v1/models/{ref}").json()["id"] == model.id
        with service.context.database.read() as session:
            assert models.resolve(session, ref) == model


@pytest.mark.parametrize(
    "ref",
    [
        "nobody",
        "penguins:2",
        "penguins:0",
        "penguins:01",
        "penguins:-1",
        "penguins:x",
        "penguins:",
        "penguins:99999999999999999999999",
        "penguins@production",
        "mdl_0",
        "%00",
        "penguins%3A1%3A1",
        "import",
        "x" * 5000,
    ],
)
def test_a_model_that_does_not_exist(service, ref: str) -> None:
    keep(service.context, make())
    for response in (
        service.client.get(f"/v1/models/{ref}"),
        service.client.delete(f"/v1/models/{ref}"),
        service.client.post(f"/v1/models/{ref}/predict", json={"records": [{}]}),
        service.client.post(f"/v1/models/{ref}/evaluate", json={"dataset_id": "ds_0"}),
    ):
        assert response.status_code == (422 if ref == "%00" else 404)
        code = "invalid" if ref == "%00" else "not_found"
        assert response.json()["type"] == f"urn:backpropd:{code}"
        assert len(response.json()["detail"]) < 300


def test_a_model_shows_where_it_comes_from_and_what_it_takes(service) -> None:
    model = make("binary")
    evaluation = evaluate(model.target, np.array([[0.2], [0.9]]), np.array([[0.0], [1.0]])).model_dump(
        mode="json"
    )
    kept = keep(service.context, model, evaluation=evaluation, tags=["demo"])
    shown = service.client.get("/v1/models/penguins").json()
    assert shown["id"] == kept.id
    assert shown["task"] == "binary"
    assert shown["features"] == [
        {"name": "island", "type": "categorical", "categories": ["Biscoe", "Dream"], "shape": None},
        {"name": "bill", "type": "numeric", "categories": None, "shape": None},
        {"name": "sex", "type": "categorical", "categories": ["female", "male"], "shape": None},
    ]
    assert shown["target"]["name"] == "a"
    assert shown["evaluation"] == evaluation
    lineage = shown["lineage"]
    assert lineage["dataset"] == {"id": None, "name": "penguins.csv", "sha256": "0" * 64}  # deleted by now
    assert lineage["seed"] == 7
    assert lineage["network"]["layers"][0]["kind"] == "dense"


def test_list_and_filters(service) -> None:
    model = make()
    first = keep(service.context, model, "a", tags=["x", "y"])
    second = keep(service.context, model, "b", tags=["y"])
    third = keep(service.context, model, "a", tags=[])

    def ids(query: str) -> list[str]:
        return [item["id"] for item in service.client.get(f"/v1/models{query}").json()["items"]]

    assert ids("") == [third.id, second.id, first.id]
    assert ids("?name=a") == [third.id, first.id]
    assert ids("?tag=y") == [second.id, first.id]
    assert ids("?tag=y&name=a") == [first.id]
    assert ids("?tag=") == []
    assert ids("?limit=1") == [third.id]
    item = service.client.get("/v1/models?limit=1").json()["items"][0]
    assert "evaluation" not in item
    assert "lineage" not in item


def test_delete_takes_the_file_along_and_leaves_the_others(service) -> None:
    kept, other = (keep(service.context, make()) for _ in range(2))
    assert service.client.delete(f"/v1/models/{kept.id}").status_code == 204
    assert not service.context.storage.model(kept.id).exists()
    assert service.context.storage.model(other.id).exists()
    with service.context.database.read() as session, pytest.raises(NotFound):
        models.get(session, kept.id)


def test_a_deleted_model_leaves_memory_and_answers_no_more(service) -> None:
    kept = keep(service.context, make())
    ask = {"records": [{"bill": 40}]}
    assert service.client.post(f"/v1/models/{kept.id}/predict", json=ask).status_code == 200
    assert service.client.delete(f"/v1/models/{kept.id}").status_code == 204
    assert service.client.post(f"/v1/models/{kept.id}/predict", json=ask).status_code == 404
    sentinel = object()
    assert service.context.loaded.get(kept.id, lambda: (sentinel, 0)) is sentinel
