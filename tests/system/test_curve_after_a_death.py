"""A job's learning curve, also where its process dies before it is drawn."""

import pytest
from serving import PENGUINS, Running

pytestmark = pytest.mark.slow

NETWORK = {"layers": [{"kind": "dense", "units": 8}, {"kind": "relu"}, {"kind": "dense"}]}
TRAINING = {"epochs": 20, "learning_curve": True}


def test_a_curve_is_the_same_after_a_death(tmp_path):
    running = Running(tmp_path / "data", "before-curve:kill")
    try:
        dataset = running.upload(PENGUINS.read_bytes())
        reports = []
        for _ in range(2):  # only the first one dies
            job_id = running.launch(dataset, "species", network=NETWORK, training=TRAINING)
            job = running.until(job_id, "succeeded", "failed")
            assert job["status"] == "succeeded", job["error"]
            model = running.client.get(f"/v1/models/{job['model_id']}").json()
            reports.append((job["attempt"], model["evaluation"]))
        (first, died), (second, lived) = reports
        assert (first, second) == (2, 1)
        assert died == lived
        curve = lived["learning_curve"]
        assert curve["skipped"] == []
        assert [point["share"] for point in curve["points"]] == [0.125, 0.25, 0.5, 1.0]
        assert curve["points"][-1]["validation"]["log_loss"] == pytest.approx(lived["log_loss"], rel=1e-12)
    finally:
        running.close()
