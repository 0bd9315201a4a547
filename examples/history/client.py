"""The few requests to a running backpropd that the scripts of this folder need."""

import argparse
import csv
import io
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

Json = dict[str, Any]


@dataclass(frozen=True)
class Trained:
    """A model that a job made, and the job's history."""

    model_id: str
    points: list[Json]  # one an epoch: train_loss, metrics, ...


class Backpropd:
    """A running service."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def upload(self, name: str, columns: Mapping[str, Sequence[float]]) -> str:
        """Send a table as CSV; the data set's id."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        headers = {"Content-Type": "text/csv"}
        answer = self._call(
            "POST", "/v1/datasets", params={"name": name}, content=text.getvalue(), headers=headers
        )
        return str(answer["id"])

    def network(self, template: Json) -> str:
        """Keep a network that a template makes; its id."""
        return str(
            self._call("POST", "/v1/networks", json={"name": template["kind"], "template": template})["id"]
        )

    def summary(self, network_id: str, *, outputs: int, input_shape: str | None = None) -> Json:
        """What a network costs, for rows of a shape such as "28x28x1" where it does not say that itself."""
        params: Json = {"outputs": outputs} | ({"input_shape": input_shape} if input_shape else {})
        return self._call("GET", f"/v1/networks/{network_id}/summary", params=params)

    def train(self, dataset_id: str, target: str | Sequence[str], **request: object) -> Trained:
        """Run a job to its end; ends the script where the job fails."""
        job = self._call("POST", "/v1/jobs", json={"dataset_id": dataset_id, "target": target, **request})
        path = f"/v1/jobs/{job['id']}"
        while job["status"] in ("queued", "running"):
            time.sleep(0.05)
            job = self._call("GET", path)
        if job["status"] != "succeeded":
            sys.exit(f"job {job['id']} {job['status']}: {job['error']}")
        points = self._call("GET", f"{path}/history", params={"max_points": 5000})["points"]
        return Trained(job["model_id"], points)

    def predict(self, model: Trained, records: Sequence[Mapping[str, float]]) -> list[Json]:
        """A model's prediction for each record."""
        answer = self._call("POST", f"/v1/models/{model.model_id}/predict", json={"records": records})
        return list(answer["predictions"])

    def accuracy(self, model: Trained, dataset_id: str) -> float:
        """The share of a data set's rows that a model gets right."""
        path = f"/v1/models/{model.model_id}/evaluate"
        return float(self._call("POST", path, json={"dataset_id": dataset_id})["evaluation"]["accuracy"])

    def _call(self, method: str, path: str, **request: Any) -> Json:  # noqa: ANN401 - httpx's own arguments
        try:
            answer = self._http.request(method, path, **request)
        except httpx.ConnectError:
            sys.exit(
                f"nothing listens at {self._http.base_url}: start it with `make run`, or give its address"
            )
        if answer.is_error:
            sys.exit(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
        return dict(answer.json())


@contextmanager
def connect(description: str | None) -> Iterator[Backpropd]:
    """The service that the command line names."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8000", help="where backpropd listens")
    with httpx.Client(base_url=parser.parse_args().url, timeout=60) as http:
        yield Backpropd(http)


def expect(so: bool, what: str) -> None:
    """Say that a known answer has come out; end the script with an error where it has not."""
    if not so:
        sys.exit(f"NOT SO: {what}")
    print(f"so it is: {what}")
