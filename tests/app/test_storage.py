"""Files are whole or not there."""

import errno
import os
import resource
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from app.datasets.runner import read_table
from app.problems import StorageFull
from app.storage import MINUTE, Storage, full_disk_told, publish, remove


@pytest.fixture
def storage(tmp_path):
    return Storage(tmp_path / "data")


def age(folder):
    os.utime(folder, (time.time() - 2 * MINUTE,) * 2)


@contextmanager
def largest_file(size):
    """What the kernel does to a process whose files may not grow: EFBIG, much like a full disk's ENOSPC."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_names(storage):
    assert storage.dataset("ds_1") == storage.root / "datasets" / "ds_1.arrow"
    assert storage.model("mdl_1") == storage.root / "models" / "mdl_1.safetensors"
    assert storage.root.is_absolute()


def test_publish(storage):
    final = storage.dataset("ds_1")
    with storage.scratch("ds_1") as folder:
        unfinished = folder / "table"
        for content in (b"first", b"second"):
            unfinished.write_bytes(content)
            assert not final.exists() or final.read_bytes() == b"first"
            publish(unfinished, final)
            assert (final.read_bytes(), unfinished.exists()) == (content, False)
    remove(final)
    remove(final)
    assert not final.exists()


def test_scratch_is_removed_whatever_happens(storage):
    def fill_and_fail():
        with storage.scratch("x") as folder:
            (folder / "deep").mkdir()
            (folder / "deep" / "file").write_bytes(b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fill_and_fail()
    assert list(storage.tmp.iterdir()) == []


def test_two_owners_of_one_name_are_refused(storage):
    with storage.scratch("x") as folder:
        with pytest.raises(FileExistsError), storage.scratch("x"):
            pass
        assert folder.exists()


def test_sweep_spares_what_is_held(storage):
    with storage.scratch("held") as folder:
        age(folder)
        storage.sweep()
        assert folder.exists()


def test_sweep_spares_what_is_young(storage):
    (storage.tmp / "young").mkdir()
    storage.sweep()
    assert (storage.tmp / "young").exists()


def test_sweep_removes_what_a_killed_process_left(storage):
    code = """
import os, signal, sys
from pathlib import Path
from app.storage import Storage
with Storage(Path(sys.argv[1])).scratch("left") as folder:
    (folder / "half").write_bytes(b"x")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(storage.root)], check=False)
    left = storage.tmp / "left"
    assert (left / "half").exists()
    age(left)
    storage.sweep()
    assert not left.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_told(number):
    with pytest.raises(StorageFull), full_disk_told():
        raise OSError(number, os.strerror(number))


def test_other_errors_stay_what_they_are():
    with pytest.raises(PermissionError), full_disk_told():
        raise PermissionError(errno.EACCES, "no")


def test_a_disk_that_fills_up_under_an_upload(service):
    data = b"a\n" + b"1\n" * 500_000
    with largest_file(1 << 19):
        response = service.client.post("/v1/datasets", content=data, headers={"Content-Type": "text/csv"})
    assert (response.status_code, response.json()["type"]) == (507, "urn:backpropd:storage_full")
    assert (service.client.get("/v1/datasets").json()["items"], service.files()) == ([], [])


def test_a_disk_that_fills_up_under_the_child(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"a\n" + b"1\n" * 100_000)
    with largest_file(1 << 16), pytest.raises(StorageFull):
        read_table(tmp_path / "x.csv", "csv", tmp_path / "table.arrow")
