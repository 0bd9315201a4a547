"""Triton's own client against a real process: a trained model, keys, tensors as bytes."""

import numpy as np
import polars as pl
import pytest
import tritonclient.http as triton
from serving import PENGUINS, Running, bearer, keys
from tritonclient.utils import InferenceServerException

pytestmark = pytest.mark.slow


def tensor(name, datatype, column):
    """A column as Triton's clients send it: missing numbers as NaN, missing words as the empty text."""
    if datatype == "FP64":
        values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    else:
        values = np.array(column.fill_null("").to_list(), object)
    made = triton.InferInput(name, [len(values)], datatype)
    made.set_data_from_numpy(values, binary_data=True)
    return made


def test_a_trained_model_answers_tritonclient(tmp_path):
    running = Running(tmp_path / "data")
    try:
        dataset = running.upload(PENGUINS.read_bytes())
        job = running.launch(dataset, "species", training={"epochs": 3}, model_name="penguins")
        running.until(job, "succeeded")
        rows = pl.read_csv(PENGUINS, null_values="NA").drop("species").head(50)
        answer = running.client.post("/v1/models/penguins/predict", json={"records": rows.to_dicts()}).json()
        expected = [list(row["probabilities"].values()) for row in answer["predictions"]]
        made = keys(tmp_path / "data", "create", "--owner", "anna", "--scope", "read", "--adopt")
        anna = {"Authorization": f"Bearer {made.stdout.strip()}"}
        _, eve = bearer(tmp_path / "data", "eve", "read")
        with triton.InferenceServerClient(running.url.removeprefix("http://")) as client:
            wanted = client.get_model_metadata("penguins", headers=anna)["inputs"]
            inputs = [tensor(one["name"], one["datatype"], rows[one["name"]]) for one in wanted]
            result = client.infer("penguins", inputs, headers=anna)
            assert result.as_numpy("probabilities").tolist() == expected
            for headers, detail in (({}, "a key is needed"), (eve, "there is no model penguins")):
                with pytest.raises(InferenceServerException, match=detail):
                    client.infer("penguins", inputs, headers=headers)
    finally:
        running.close()
