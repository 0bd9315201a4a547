"""Drift and correlation over HTTP."""

import io

import polars as pl
from conftest import PENGUINS
from tiny_table import CSV, FILES, assert_problem

from app.datasets import measuring


def test_drift_between_two_uploads(service):
    reference = service.upload_penguins()["id"]
    changed = pl.read_csv(PENGUINS, null_values="NA").with_columns(pl.col("body_mass_g") * 1.3).drop("sex")
    changed.filter(pl.col("island") != "Dream").write_csv(file := io.BytesIO())
    now = service.upload(file.getvalue())["id"]
    path = f"/v1/datasets/{now}/drift"
    report = service.client.get(path, params={"reference": reference}).json()
    assert report["columns"][0]["name"] in {"body_mass_g", "island"}
    assert report["missing_columns"] == ["sex"]
    told = {(warning["code"], warning["column"]) for warning in report["warnings"]}
    assert {("drift", "body_mass_g"), ("drift", "island"), ("missing_column", "sex")} <= told
    same = service.client.get(path, params={"reference": now}).json()
    assert same["warnings"] == []
    assert all(column["distance"] == 0 for column in same["columns"])
    missing = service.client.get(path, params={"reference": "ds_missing"})
    problem = assert_problem(missing, 422, "invalid", "there is no data set ds_missing")
    assert problem["errors"][0]["pointer"] == "/query/reference"
    assert service.client.get("/v1/datasets/ds_missing/drift", params={"reference": now}).status_code == 404
    assert service.client.get(path).status_code == 422


def test_correlation_of_an_upload(service):
    dataset = service.upload_penguins()["id"]
    path = f"/v1/datasets/{dataset}/correlation"
    report = service.client.get(path).json()
    assert len(report["pairs"]) == len(report["columns"]) * (len(report["columns"]) - 1) // 2
    strongest = report["pairs"][0]
    assert {strongest["first"], strongest["second"]} <= {"species", "flipper_length_mm", "body_mass_g"}
    two = service.client.get(path, params={"column": ["bill_length_mm", "bill_depth_mm"]}).json()
    [pair] = two["pairs"]
    assert (pair["measure"], pair["rows"], round(pair["value"], 3)) == ("pearson", 342, -0.235)
    wrong = service.client.get(path, params={"column": ["species", "x"]})
    problem = assert_problem(wrong, 422, "invalid", "there is no column 'x'")
    assert problem["errors"][0]["pointer"] == "/query/column/1"


def test_tiny_tables_are_no_errors(service):
    tiny, one = service.upload(FILES[CSV])["id"], service.upload(b"a,b\n1,x\n")["id"]
    assert service.client.get(f"/v1/datasets/{tiny}/correlation").status_code == 200
    assert service.client.get(f"/v1/datasets/{one}/correlation").status_code == 200
    for now, then in ((tiny, one), (one, tiny), (one, one)):
        response = service.client.get(f"/v1/datasets/{now}/drift", params={"reference": then})
        assert response.status_code == 200, response.text


def test_of_long_tables_some_rows_are_compared(tmp_path, monkeypatch):
    monkeypatch.setattr(measuring, "COMPARED", 100)
    monkeypatch.setattr(measuring, "CORRELATED", 100)
    frame = pl.DataFrame({"x": range(450), "y": [float(i % 9) for i in range(450)]})
    frame.write_ipc(tmp_path / "kept")
    types = dict.fromkeys(frame.columns, "numeric")
    report = measuring.drift_of(tmp_path / "kept", types, tmp_path / "kept", types)
    assert (report["rows"], report["rows_compared"], report["reference_rows_compared"]) == (450, 90, 90)
    report = measuring.correlation_of(tmp_path / "kept", types, None)
    assert (report["rows"], report["rows_used"], report["pairs"][0]["rows"]) == (450, 90, 90)
