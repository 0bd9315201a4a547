"""MLflow's and MLServer's scoring servers over the model that serving.py measures; run by a Python that has them.

    python serving_peers.py {mlflow | mlserver} PREDICTOR FOLDER PORT

PREDICTOR is the model as `GET /v1/models/{ref}/export?format=python` gives it, so that each server runs the same
network: wrapped as an MLflow model, written into FOLDER, served on PORT until this process ends.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path

FOLDER = "model"


def save(predictor: Path, folder: Path) -> None:
    """Write the predictor as an MLflow model."""
    import mlflow.pyfunc  # noqa: PLC0415 - which no other environment has

    class Wrapped(mlflow.pyfunc.PythonModel):
        def load_context(self, context):  # noqa: ANN001, ANN202 - MLflow's own interface
            path = context.artifacts["predictor"]
            spec = importlib.util.spec_from_file_location("predictor", path)
            self.module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(self.module)

        def predict(self, context, model_input, params=None):  # noqa: ANN001, ANN202 - likewise
            return [answer["label"] for answer in self.module.predict(model_input.to_dict("records"))]

    mlflow.pyfunc.save_model(
        path=str(folder / FOLDER),
        python_model=Wrapped(),
        artifacts={"predictor": str(predictor)},
        pip_requirements=["numpy"],
    )


def main() -> None:
    kind, predictor, folder, port = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    save(predictor, folder)
    programs = Path(sys.executable).parent
    if kind == "mlflow":
        options = ["-m", str(folder / FOLDER), "-p", port, "--env-manager", "local", "--workers", "1"]
        os.environ["PATH"] = f"{programs}{os.pathsep}{os.environ['PATH']}"  # it starts uvicorn by name
        os.execv(sys.executable, [sys.executable, "-m", "mlflow", "models", "serve", *options])
    model = {
        "name": "penguins",
        "implementation": "mlserver_mlflow.MLflowRuntime",
        "parameters": {"uri": f"./{FOLDER}"},
    }
    settings = {
        "host": "127.0.0.1",
        "http_port": int(port),
        "grpc_port": int(port) + 1,
        "metrics_port": int(port) + 2,
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    # Without its pool of processes, which costs a single record more than it brings.
    (folder / "settings.json").write_text(json.dumps({**settings, "parallel_workers": 0}))
    os.execv(sys.executable, [sys.executable, str(programs / "mlserver"), "start", str(folder)])


if __name__ == "__main__":
    main()
