"""Kills jobs, workers and the whole service again and again, and holds each outcome against an undisturbed one.

    python tests/system/chaos.py 200 [--seed 1] [--first 17]

A trial launches a training in a real `backpropd serve`, kills a victim (the job's process, the worker, the API,
everything) with SIGKILL at a random instant, or whoever next passes a failpoint, perhaps a second time while it
recovers, and waits for the end. Then the SHA-256 of the weights, the history (wall-clock fields apart) and what a
client saw that followed the events across all deaths must be those of the same training left alone; nothing that was
answered is lost, and nothing unfinished is left. Each trial has its own random numbers, of the seed and its number.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import chaos_remains
from chaos_follower import Follower
from chaos_trainings import TARGET, TRAININGS, table
from serving import Running

# The compiled kernels take seconds to load at each start.
QUICK = {"checkpoint_seconds": 0.1, "lease_seconds": 1.5, "heartbeat_seconds": 0.4, "kernels": "numpy"}
VICTIMS = {"process": 6, "worker": 3, "api": 1, "everything": 1, "failpoint": 9}  # with their weights
# What a training passes early is armed before the attempt begins.
EARLY = ("after-claim", "before-run")
LATER = (
    *("before-record", "after-record", "before-register", "after-register", "before-success", "after-end"),
    *("before-checkpoint", "after-checkpoint-rename"),
    *("before-model", "after-model", "before-publish", "after-publish"),
)
# What is passed only because another has died.
CAUSED = {"before-crash": "process", "before-give-back": "api"}
FAILPOINTS = (*EARLY, *LATER, *CAUSED)
IMPATIENT_AFTER = 3  # deaths of workers: the supervisor waits twice as long after each
ENDED = {"succeeded", "failed", "cancelled"}


class Kill(NamedTuple):
    """Whom to kill, and how long after the launch or after the kill before."""

    victim: str  # of VICTIMS or FAILPOINTS
    after: float = 0.0


class Outcome(NamedTuple):
    """What must not depend on who died."""

    weights: str
    history: list[dict]


@dataclass
class Tally:
    """The figures of a run."""

    trials: int = 0
    second: int = 0  # trials with another kill during the recovery
    kills: Counter[str] = field(default_factory=Counter)  # by victim
    missed: Counter[str] = field(default_factory=Counter)  # failpoints that nobody passed any more
    live: int = 0  # kills that cost a running job its attempt
    equal: Counter[str] = field(default_factory=Counter)  # trials, by what was compared
    failures: list[str] = field(default_factory=list)

    def lines(self) -> Iterator[str]:
        yield f"{self.kills.total()} kills in {self.trials} trials, {self.second} of them with a second one"
        yield f"  {'killed':24} kills   not passed any more"
        for victim in sorted(self.kills | self.missed, key=lambda name: (name in FAILPOINTS, name)):
            yield f"  {victim:24} {self.kills[victim]:5}   {self.missed[victim] or ''}".rstrip()
        yield f"{self.live} kills cost a running job its attempt; the others came before it or after its end"
        yield from (f"equal {name}: {self.equal[name]} of {self.trials}" for name in COMPARED)
        yield f"failures: {len(self.failures)}"
        yield from self.failures


COMPARED = ("weights", "history", "events")


class Chaos:
    """One data folder, the service over it, its trainings and their undisturbed outcomes."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.tally = Tally()
        self._data = folder / "data"
        self._marks = folder  # where a failpoint that has acted leaves its file
        self._seed = seed
        self._answered: list[str] = []  # addresses of what was answered with 2xx
        self._groups: list[int] = []  # of processes
        self._undisturbed: dict[str, Outcome] = {}
        self._seconds: dict[str, float] = {}
        for name in FAILPOINTS:
            self._disarm(name)
        self._start()

    def prepare(self) -> None:
        """Upload the table, and run each training undisturbed."""
        self._dataset = self._service.upload(table())
        self._answered.append(f"/v1/datasets/{self._dataset}")
        for name in TRAININGS:
            self._undisturbed[name], job = self._outcome(self._launch(name))
            started, finished = (datetime.fromisoformat(job[at]) for at in ("started_at", "finished_at"))
            self._seconds[name] = (finished - started).total_seconds()

    def random_trial(self, number: int) -> None:
        """The trial of this number."""
        chance = random.Random(f"{self._seed}/{number}")
        name = chance.choice(list(TRAININGS))
        kills = []
        for _ in range(chance.choice((1, 2, 2))):  # a third crash would fail the job
            victim = chance.choices(list(VICTIMS), list(VICTIMS.values()))[0]
            after = chance.uniform(0, 0.8 * self._seconds[name])
            kills.append(Kill(chance.choice(FAILPOINTS) if victim == "failpoint" else victim, after))
        self.trial(name, kills, f"--seed {self._seed} --first {number}")

    def trial(self, name: str, kills: list[Kill], label: str = "") -> None:
        """Launch a training, kill, compare; what differs goes into the tally."""
        self._arm_early(kills[0])
        job_id = self._launch(name)
        follower = Follower(lambda: self._service.url, job_id)
        follower.start()
        try:
            for kill, following in zip(kills, [*kills[1:], None], strict=True):
                self._carry_out(kill, job_id)
                if following is not None:
                    self._arm_early(following)
            outcome, job = self._outcome(job_id)
            self.tally.live += job["attempt"] - 1
            assert job["crashes"] <= len(kills), f"{job['crashes']} crashes"
            self._compare(outcome, self._undisturbed[name], follower)
        except Exception as error:  # noqa: BLE001 - every difference is a figure
            what = ", ".join(f"{victim} after {after:.2f} s" for victim, after in kills)
            reason = f"{type(error).__name__}: {str(error)[:500]}"
            self.tally.failures.append(f"{job_id} ({name}; {what}; {label}): {reason}")
        finally:
            follower.give_up()
        self.tally.trials += 1
        self.tally.second += len(kills) > 1
        for failpoint in filter(self._is_armed, FAILPOINTS):
            self._disarm(failpoint)
        if self._deaths >= IMPATIENT_AFTER or self._service.process.poll() is not None:
            self._service.close()
            self._start()

    def finish(self) -> None:
        """Look for all that was answered, end the service, sweep, and look at what is left."""
        for address in self._answered:
            if (status := self._service.client.get(address).status_code) != 200:
                self.tally.failures.append(f"{address} was answered with 2xx once, and with {status} now")
        self._service.close()
        chaos_remains.age(self._data)
        self._start()
        self._service.close()
        self.tally.failures += chaos_remains.faults(self._data)
        for group in self._groups:
            if not _ends(group):
                self.tally.failures.append(f"the service {group} has left processes behind")

    def end(self) -> None:
        """Leave nothing behind, whatever has happened."""
        self._service.close()
        for group in self._groups:
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)

    def _start(self) -> None:
        failpoints = ",".join(f"{name}:kill" for name in FAILPOINTS)
        self._service = Running(self._data, failpoints, **QUICK)
        self._groups.append(self._service.process.pid)
        self._deaths = 0  # of its workers

    def _arm(self, name: str) -> None:
        (self._marks / name).unlink(missing_ok=True)

    def _arm_early(self, kill: Kill) -> None:
        if kill.victim in EARLY:
            self._arm(kill.victim)

    def _disarm(self, name: str) -> None:
        (self._marks / name).touch()

    def _is_armed(self, name: str) -> bool:
        return not (self._marks / name).exists()

    def _launch(self, name: str) -> str:
        layers, training = TRAININGS[name]
        job_id = self._service.launch(self._dataset, TARGET, network={"layers": layers}, training=training)
        self._answered.append(f"/v1/jobs/{job_id}")
        return job_id

    def _outcome(self, job_id: str) -> tuple[Outcome, dict]:
        job = self._service.until(job_id, *ENDED, seconds=300)
        assert job["status"] == "succeeded", job["error"]
        self._answered.append(f"/v1/models/{job['model_id']}")
        return Outcome(job["weights_sha256"], self._service.history(job_id)), job

    def _carry_out(self, kill: Kill, job_id: str) -> None:
        victim = kill.victim
        if victim not in EARLY:
            time.sleep(kill.after)
            self._create()
        if victim not in FAILPOINTS:
            self._kill(victim)
        elif not self._killed_at(victim, job_id):
            self._disarm(victim)  # which the next upload would pass, in the API
            self.tally.missed[victim] += 1
            return
        self.tally.kills[victim] += 1

    def _create(self) -> None:
        """Have something made just before the kill."""
        number = len(self._answered)
        network = {"name": f"network-{number}", "layers": [{"kind": "dense"}]}
        answer = self._service.client.post("/v1/networks", json=network)
        assert answer.status_code == 201, answer.text
        self._answered.append(f"/v1/networks/{answer.json()['id']}")
        dataset = self._service.upload(b"x,y\n" + b"1,a\n-1,b\n" * 20, f"dataset-{number}")
        self._answered.append(f"/v1/datasets/{dataset}")

    def _kill(self, victim: str) -> None:
        match victim:
            case "process":
                _sigkill(self._service.busiest_child())
            case "worker":
                self._deaths += 1
                for worker in self._service.workers():
                    _sigkill(worker)
            case "api":
                _sigkill(self._service.process.pid)
                self._revive()
            case "everything":
                os.killpg(self._service.process.pid, signal.SIGKILL)
                self._revive()

    def _killed_at(self, failpoint: str, job_id: str) -> bool:
        """Wait for somebody to pass the failpoint; whether anybody has."""
        if failpoint not in EARLY:
            self._arm(failpoint)
        if failpoint in CAUSED:
            self._kill(CAUSED[failpoint])
        passed = self._passed(failpoint, job_id)
        self._deaths += passed
        return passed

    def _passed(self, failpoint: str, job_id: str) -> bool:
        end = time.monotonic() + 30
        while self._is_armed(failpoint) and time.monotonic() < end:
            time.sleep(0.05)
            if self._service.job(job_id)["status"] in ENDED:
                time.sleep(0.3)  # for what comes behind the end
                break
        return not self._is_armed(failpoint)

    def _revive(self) -> None:
        """Start the service again once it is dead."""
        self._service.process.wait(20)
        self._service.close()
        self._start()

    def _compare(self, outcome: Outcome, expected: Outcome, follower: Follower) -> None:
        follower.join(20)
        faults = {
            "weights": None if outcome.weights == expected.weights else "other weights",
            "history": None if outcome.history == expected.history else "another history",
            "events": follower.faults(len(expected.history)),
        }
        self.tally.equal.update(name for name, fault in faults.items() if fault is None)
        assert not any(faults.values()), ", ".join(filter(None, faults.values()))


def _sigkill(process: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)


def _ends(group: int, seconds: float = 20) -> bool:
    """Whether all processes of a group are gone in time."""
    end = time.monotonic() + seconds
    while subprocess.run(["pgrep", "-g", str(group)], capture_output=True, check=False).returncode == 0:
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


@contextmanager
def chaos(folder: Path, seed: int = 0) -> Iterator[Chaos]:
    """A service to be killed, its trainings run undisturbed once; its tally is whole after the end."""
    running = Chaos(folder, seed)
    try:
        running.prepare()
        yield running
        running.finish()
    finally:
        running.end()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kills", type=int)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--first", type=int, default=0, help="the trial to begin with")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder, chaos(Path(folder), options.seed) as running:
        tally, number, seen = running.tally, options.first, 0
        while tally.kills.total() < options.kills:
            running.random_trial(number)
            number += 1
            if number % 20 == 0 or len(tally.failures) > seen:
                print(*tally.failures[seen:], sep="\n", flush=True)
                seen = len(tally.failures)
                print(f"{tally.kills.total()} kills, {len(tally.failures)} failures", flush=True)
    print("\n".join(["", *tally.lines()]))
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main())
