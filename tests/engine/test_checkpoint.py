"""The file of a checkpoint: whole or not at all, and never taken for whole when a bit is not as it was."""

import errno
import hashlib
import json
import math
import os
import resource
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as load_safetensors

from engine.checkpoint import Checkpoint, CheckpointMismatch, CorruptCheckpoint, load, save

FACTS = {
    "step": 7,
    "loss": 0.1 + 0.2,
    "state": 2**127 + 1,
    "best": None,
    "text": "Grüße",
    "tiny": math.ulp(0.0),
}


def example() -> Checkpoint:
    rng = np.random.default_rng(0)
    arrays = {"theta": rng.normal(size=50).astype(np.float32), "sums": rng.normal(size=(4, 2))}
    return Checkpoint({**arrays, "state": np.zeros(0, np.float32)}, FACTS)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.safetensors"


def test_what_is_saved_is_loaded_bit_by_bit(path: Path) -> None:
    saved = example()
    digest = save(path, saved, {"dataset": "abc"})
    loaded, metadata = load(path)
    assert metadata == {"dataset": "abc"}
    assert loaded.facts == FACTS
    for name, array in saved.arrays.items():
        got = loaded.arrays[name]
        assert (got.dtype, got.shape, got.tobytes()) == (array.dtype, array.shape, array.tobytes())
        assert not got.flags.writeable
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert names_in(path.parent) == [path.name]


def test_other_tools_can_read_it(path: Path) -> None:
    save(path, example())
    tensors = load_safetensors(path.read_bytes())
    np.testing.assert_array_equal(tensors["theta"], example().arrays["theta"])
    assert tensors["sha256"].tobytes() == hashlib.sha256(path.read_bytes()[:-32]).digest()


def test_it_still_holds_when_the_file_is_gone(path: Path) -> None:
    save(path, example())
    loaded, _ = load(path)
    path.unlink()
    np.testing.assert_array_equal(loaded.arrays["sums"], example().arrays["sums"])


@pytest.mark.slow
def test_any_flipped_bit_is_found(path: Path) -> None:
    save(path, example(), {"dataset": "abc"})
    whole = path.read_bytes()
    for place in range(len(whole)):
        torn = bytearray(whole)
        torn[place] ^= 1 << place % 8
        path.write_bytes(torn)
        with pytest.raises(CorruptCheckpoint):
            load(path)


@pytest.mark.slow
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.data())
def test_any_tear_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Cut off anywhere, longer than it was, or a run of bytes that never reached the disk."""
    path = tmp_path_factory.getbasetemp() / "torn"
    save(path, example())
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start + 1, len(whole)))
    torn = data.draw(
        st.sampled_from(
            [
                whole[:start],
                whole[:start] + bytes(stop - start) + whole[stop:],
                whole[:start] + whole[stop:],
                whole + whole[start:stop],
            ]
        )
    )
    path.write_bytes(torn)
    if torn == whole:  # the zeros were zeros
        load(path)
        return
    with pytest.raises(CorruptCheckpoint):
        load(path)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"[]",
        b"{}",
        b"{" * 5000,
        b'{"__metadata__": {"format": "another"}}',
        b'{"__metadata__": {"format": "backpropd-checkpoint-1"}}',
        b'{"__metadata__": {"format": "backpropd-checkpoint-1", "facts": "{}"}, "sha256": 1, "a": {"dtype": "F32", '
        b'"shape": [9], "data_offsets": [0, 8]}}',
    ],
)
def test_a_good_checksum_makes_no_checkpoint(path: Path, header: bytes) -> None:
    data = len(header).to_bytes(8, "little") + header + bytes(8)
    path.write_bytes(data + hashlib.sha256(data).digest())
    with pytest.raises(CorruptCheckpoint, match="holds no checkpoint"):
        load(path)


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(path)


@pytest.mark.parametrize("fails", ["fsync of the file", "rename", "fsync of the folder"])
def test_a_failure_leaves_nothing_and_is_not_tried_again(
    path: Path, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    fsync = os.fsync

    def failing_sync(descriptor: int) -> None:
        calls.append(descriptor)
        if fails == f"fsync of the {'file' if len(calls) == 1 else 'folder'}":
            raise OSError(errno.EIO, "the disk says no")
        fsync(descriptor)

    def failing_rename(self: Path, target: Path) -> None:
        raise OSError(errno.EIO, "the disk says no")

    monkeypatch.setattr(os, "fsync", failing_sync)
    if fails == "rename":
        monkeypatch.setattr(Path, "rename", failing_rename)
    with pytest.raises(OSError, match="the disk says no"):
        save(path, example())
    assert len(calls) == (2 if fails == "fsync of the folder" else 1)
    assert names_in(path.parent) == []


def test_a_full_disk_leaves_nothing(path: Path) -> None:
    """A limit on the size of files stands for the disk: the write fails in the middle."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, hard))
    try:
        with pytest.raises(OSError, match="too large") as error:
            save(path, Checkpoint({"theta": np.ones(2**20, np.float32)}))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert error.value.errno == errno.EFBIG
    assert names_in(path.parent) == []


def test_an_older_checkpoint_outlives_a_failure_before_the_rename(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(path, example())

    def failing(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(OSError, match="full"):
        save(path, Checkpoint())
    assert load(path)[0].facts == FACTS


def test_the_order_of_what_makes_it_durable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes, sync, rename, sync of the folder: at each sync one sees what there is by then."""
    seen = []
    fsync = os.fsync

    def noting(descriptor: int) -> None:
        name = Path(f"/proc/self/fd/{descriptor}").readlink().name
        seen.append((name, os.fstat(descriptor).st_size, names_in(path.parent)))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", noting)
    save(path, example())
    (first, size, names), (second, _, final) = seen
    assert (first, names) == (f"{path.name}.partial", [f"{path.name}.partial"])
    assert size == path.stat().st_size
    assert (second, final) == (path.parent.name, [path.name])


@pytest.mark.parametrize(("facts", "metadata"), [({"loss": math.nan}, {}), ({}, {"facts": "mine"})])
def test_what_cannot_be_kept_is_refused(path: Path, facts: dict[str, Any], metadata: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r"JSON|own metadata"):
        save(path, Checkpoint(facts=facts), metadata)
    assert names_in(path.parent) == []


def test_no_array_is_copied(path: Path) -> None:
    """Neither to save nor to load: a training at its limit of memory can do both."""
    checkpoint = Checkpoint({"theta": np.ones(2**23, np.float32)})
    tracemalloc.start()
    try:
        save(path, checkpoint)
        loaded, _ = load(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert loaded.arrays["theta"].nbytes == 2**25
    assert peak < 2**20


def test_parts_come_apart_again() -> None:
    one, other = Checkpoint({"m": np.ones(2)}, {"a": 1}), Checkpoint({"best.m": np.zeros(3)}, {"b": 2})
    both = Checkpoint.of({"step": 3}, one=one, other=other, none=None)
    assert json.loads(json.dumps(both.facts)) == {"step": 3, "one": {"a": 1}, "other": {"b": 2}}
    assert (both.part("one"), both.part("other").facts) == (one, {"b": 2})
    assert both.part("other").arrays["best.m"] is other.arrays["best.m"]
    with pytest.raises(CheckpointMismatch, match="no part 'none'"):
        both.part("none")


@pytest.mark.parametrize("target", [np.zeros(3), np.zeros(2, np.float32)])
def test_arrays_that_do_not_fit_are_told(target: Any) -> None:
    with pytest.raises(CheckpointMismatch, match=r"'m' is float64 of shape \[2\] in the checkpoint, but"):
        Checkpoint({"m": np.ones(2)}).fill(m=target)
    assert not target.any()
