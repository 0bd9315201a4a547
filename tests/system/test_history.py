"""The line of history: each script of examples/history runs against a real service and finds its known answer."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from serving import Running, free_port

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[2] / "examples" / "history"


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    running = Running(tmp_path_factory.mktemp("history") / "data")
    yield running
    running.close()


@pytest.fixture
def run(monkeypatch, capsys):
    """Runs a script as the command line does; what it printed. A wrong answer ends it, and so the test."""

    def script(name, url):
        monkeypatch.syspath_prepend(str(SCRIPTS))
        monkeypatch.setattr(sys, "argv", [name, url])
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return script


def test_every_script_is_tested():
    scripts = {path.stem for path in SCRIPTS.glob("*_[0-9]*.py")}
    tested = {match[1] for match in re.finditer(r'run\("(\w+)"', Path(__file__).read_text())}
    assert scripts == tested


def test_threshold_units(run, service):
    said = run("mcculloch_pitts_1943", service.url)
    assert "two inputs: 14 of 16; not 0110, 1001" in said
    assert "three inputs: 104 of 256" in said


def test_the_perceptron(run, service):
    said = run("perceptron_1958", service.url)
    right = dict(re.findall(r"^(\w+): (\d) of 4 right", said, re.MULTILINE))
    assert (right["AND"], right["OR"]) == ("4", "4")
    assert int(right["XOR"]) < 4
    for name, most in (("AND", 51), ("OR", 27)):  # (R / gamma)^2 worked out by hand
        [mistakes] = re.findall(rf"{name}: 4 of 4 right after (\d+) mistakes", said)
        assert 0 < int(mistakes) <= most
    assert "a network with hidden units learns XOR" in said


def test_shift_tolerance(run, service):
    said = run("neocognitron_1980", service.url)
    found = {
        name: [float(share) for share in re.findall(r"([\d.]+)%", shares)]
        for name, shares in re.findall(
            r"^(neocognitron|convolutional|perceptron) +([\d.]+%.*)$", said, re.MULTILINE
        )
    }
    assert found["neocognitron"][2] > found["convolutional"][2] + 15 > found["perceptron"][2] + 30
    assert min(shares[0] for shares in found.values()) > 85


def test_deep_belief(run, service):
    said = run("deep_belief_2006", service.url)
    [[with_rbm, without]] = re.findall(r"^test +([\d.]+)% +([\d.]+)%$", said, re.MULTILINE)
    assert float(with_rbm) > 80
    assert float(without) < 50


def test_alexnet(run, service):
    said = run("alexnet_2012", service.url)
    assert "AlexNet with groups 1 has 62,378,344 parameters" in said
    assert "AlexNet with groups 2 has 60,965,224 parameters" in said
    [share] = re.findall(r"the small one recognises ([\d.]+)%", said)
    assert float(share) > 85


def test_without_a_service_the_script_says_so(run):
    with pytest.raises(SystemExit, match="nothing listens at"):
        run("perceptron_1958", f"http://127.0.0.1:{free_port()}")


def test_a_refused_request_ends_the_script(monkeypatch, service):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    client = runpy.run_path(str(SCRIPTS / "client.py"))
    with pytest.raises(SystemExit, match="422"):
        client["Backpropd"](service.client).network({"kind": "lenet5", "input_shape": [4, 4, 1]})


def test_a_wrong_answer_ends_the_script(monkeypatch):
    client = runpy.run_path(str(SCRIPTS / "client.py"))
    with pytest.raises(SystemExit, match="NOT SO: the moon is a cheese"):
        client["expect"](False, "the moon is a cheese")
