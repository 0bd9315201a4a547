"""PyTorch, eager: the usual loop over a TensorDataset's arrays, with the fused Adam."""

import os
from collections.abc import Callable, Iterator

import torch
from cases import Case, Floats, Part
from torch import nn

torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))


class LastStep(nn.Module):
    """What an LSTM makes of a series: its state after the last step."""

    def __init__(self, features: int, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, units, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lstm(x)[0][:, -1]


def network(case: Case) -> nn.Module:
    torch.manual_seed(0)
    modules: list[nn.Module] = []
    x = torch.zeros(2, *_shape(case))
    for part in case.parts:
        modules.append(_module(part, x))
        x = modules[-1](x)
    return nn.Sequential(*modules)


def _shape(case: Case) -> tuple[int, ...]:
    """Images have their channels first."""
    return (case.in_shape[2], *case.in_shape[:2]) if len(case.in_shape) == 3 else case.in_shape


def _module(part: Part, x: torch.Tensor) -> nn.Module:
    match part:
        case ("dense", units):
            return nn.Linear(x.shape[1], units)
        case ("relu",):
            return nn.ReLU()
        case ("conv", filters, kernel, padding):
            return nn.Conv2d(x.shape[1], filters, kernel, padding=padding)
        case ("pool",):
            return nn.MaxPool2d(2)
        case ("flatten",):
            return nn.Flatten()
        case ("lstm", units):
            return LastStep(x.shape[2], units)
    raise ValueError(part)


def trainer(case: Case) -> Iterator[int]:
    x, y = (torch.from_numpy(array) for array in case.data())
    x = x.reshape(len(x), *_shape(case))
    model = network(case)
    loss_of = nn.CrossEntropyLoss() if case.classes else nn.MSELoss()
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    while True:
        order = torch.randperm(len(x))
        total = torch.zeros(())  # the mean loss is read once an epoch: the quicker way
        for start in range(0, len(x), case.batch):
            rows = order[start : start + case.batch]
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            loss.backward()
            optimizer.step()
            total += loss.detach() * len(rows)
        total.item()
        yield case.rows


def predictor(case: Case, x: Floats) -> Callable[[], object]:
    model = network(case).eval()

    def predict() -> object:
        with torch.inference_mode():
            return model(torch.from_numpy(x)).numpy()

    return predict
