"""What a training tells of itself."""

from typing import NamedTuple


class Point(NamedTuple):
    """What is known after an epoch."""

    epoch: int  # 1-based
    step: int  # steps done
    train_loss: float  # weighted mean of the data loss over the epoch's batches, each before its step
    validation_loss: float | None  # of the weights after the epoch, in evaluation mode
    learning_rate: float  # of the epoch's last step
    penalty: float  # of the weights after the epoch
    metrics: dict[str, float]  # train_accuracy, validation_accuracy, ...
    seconds: float  # since the start of the run, by the wall clock
    fold: int | None = None  # 1-based number of the network, where several are trained one after the other
    fold_epoch: int | None = None  # 1-based, of this network; epochs and steps count on from one to the next


class Progress(NamedTuple):
    """A sign of life, after every batch and once more, with its point, after every epoch."""

    epoch: int  # 1-based
    step: int  # steps done
    point: Point | None


class Diverged(ArithmeticError):
    """The loss or the weights are no longer finite numbers."""

    def __init__(self, step: int, epoch: int, what: str) -> None:
        super().__init__(step, epoch, what)
        self.step = step  # steps done
        self.epoch = epoch  # 1-based
        self.what = what

    def __str__(self) -> str:
        return (
            f"the {self.what} is no longer a finite number after {self.step} steps (epoch {self.epoch}): "
            "lower the learning rate, or limit the gradient with clip_norm"
        )
