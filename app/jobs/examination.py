"""The training doctor at work on a job: what it finds, as the job tells it, with remedies for the job's request."""

import json
import traceback
from collections.abc import Callable

from app.jobs.assignment import Run
from engine.checkup import doctor_of
from engine.doctor import Doctor, Finding, Operation, Remedy, apply
from engine.folds.fitting import AnyFitting
from engine.training import Diverged, Point

Tell = Callable[..., None]


class Examination:
    """Tells the findings of one attempt; a fault of its own ends the examination and never the training."""

    def __init__(self, fitting: AnyFitting, run: Run, tell: Tell) -> None:
        self._fitting = fitting
        self._run = run
        self._tell = tell
        self._doctor: Doctor | None = None

    def begin(self, facts: str | None) -> None:
        """Look at the data; `facts`: what `facts` told for the checkpoint that the training goes on from."""
        self._tell_new(lambda: self._begin(facts))

    def _begin(self, facts: str | None) -> list[Finding]:
        self._doctor = doctor_of(self._fitting)
        if facts is not None:
            self._doctor.resume(json.loads(facts))
        self._doctor.know([Finding.model_validate(finding) for finding in self._run.findings])
        return self._doctor.before()

    def see(self, point: Point) -> None:
        """Look at the training after an epoch; of several networks the first one stands for all."""
        if (doctor := self._doctor) is not None and point.fold in {None, 1}:
            self._tell_new(lambda: doctor.after(point, self._fitting.network))

    def end(self) -> None:
        """Say what the whole course says."""
        if (doctor := self._doctor) is not None:
            self._tell_new(doctor.at_end)

    def diverged(self, error: Diverged) -> None:
        """Say what is to be said of a training that ended so."""
        if (doctor := self._doctor) is not None:
            self._tell_new(lambda: doctor.on_divergence(error))

    @property
    def facts(self) -> dict[str, str]:
        """What goes into a checkpoint's metadata, so that a resumed training is examined on."""
        return {} if self._doctor is None else {"doctor": json.dumps(self._doctor.facts())}

    def _tell_new(self, examine: Callable[[], list[Finding]]) -> None:
        try:
            found = [suited(finding, self._run) for finding in examine()]
        except Exception:  # noqa: BLE001 - a training is worth more than a remark about it; the log has the fault
            traceback.print_exc()
            self._doctor = None
            return
        if found:
            self._tell("findings", findings=[finding.model_dump(mode="json") for finding in found])


def suited(finding: Finding, run: Run) -> Finding:
    """The finding with a patch for the request as it is.

    The doctor speaks of the network as it is trained; a request that names one, or none, gets it whole.
    """
    remedy, network = finding.remedy, run.assignment.network
    if remedy is None or network is None or run.request.get("network") is not None:
        return finding
    inside = [operation for operation in remedy.patch if operation.path.startswith("/network/")]
    if not inside:
        return finding
    document = apply({"network": network.model_dump(mode="json")}, inside)
    whole = [
        *(operation for operation in remedy.patch if operation not in inside),
        Operation(op="replace", path="/network_id", value=None),
        Operation(op="replace", path="/network", value=document["network"]),
    ]
    whole += [
        Operation(op="replace", path=f"/{name}", value=None)
        for name in ("quality", "template")  # which chose the network that is given now
        if run.request.get(name) is not None
    ]
    return finding.model_copy(update={"remedy": Remedy(detail=remedy.detail, patch=tuple(whole))})
