"""Generations change with writes, for all processes, even if the writer is killed."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from voxome.errors import StoreError
from voxome.relay.cache.generations import PROCESSES, Generations


def test_a_write_changes_the_generation_of_its_chunks_and_the_version_only() -> None:
    generations = Generations()
    before = generations.of("source", "0/1"), generations.of("source", "0/2"), generations.version("source")
    with generations.writing("source", ["0/1"]):
        assert generations.of("source", "0/1") == before[0]
    assert generations.of("source", "0/1") != before[0]
    assert generations.of("source", "0/2") == before[1]
    assert generations.version("source") != before[2]


def test_a_write_of_unknown_extent_changes_all_chunks() -> None:
    generations = Generations()
    before = generations.of("source", "0/2")
    with generations.writing("source", None):
        pass
    assert generations.of("source", "0/2") != before


def test_a_failed_write_changes_the_generation_too() -> None:
    generations = Generations()
    before = generations.of("source", "0/1")
    with pytest.raises(StoreError), generations.writing("source", ["0/1"]):
        raise StoreError("the connection was lost after the voxels were sent")
    assert generations.of("source", "0/1") != before


def test_processes_share_the_file_and_it_outlives_them(tmp_path: Path) -> None:
    first, second = Generations(tmp_path / "g"), Generations(tmp_path / "g")
    assert (first.process, second.process) == (0, 1)
    with first.writing("source", ["0/1"]):
        pass
    written = first.of("source", "0/1")
    assert second.of("source", "0/1") == written
    first.close()
    third = Generations(tmp_path / "g")
    assert third.process == 0
    assert third.of("source", "0/1") == written


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    size = _made(tmp_path / "a").stat().st_size
    with (tmp_path / "g").open("wb") as file, ThreadPoolExecutor(1) as pool:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(b"\x07" * (size // 2))
        file.flush()
        opening = pool.submit(_made, tmp_path / "g")
        with pytest.raises(TimeoutError):
            opening.result(timeout=0.2)
        file.write(bytes(size - size // 2))
        file.flush()
        fcntl.flock(file, fcntl.LOCK_UN)
        opening.result(timeout=100)
    assert (tmp_path / "g").read_bytes()[:8] == b"\x07" * 8


def _made(file: Path) -> Path:
    Generations(file).close()
    return file


WRITER = """
import signal, sys
from pathlib import Path
from voxome.relay.cache.generations import Generations
with Generations(Path(sys.argv[1])).writing("source", ["0/1"]):
    print("begun", flush=True)
    signal.pause()
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_no_chunk_valid(tmp_path: Path) -> None:
    generations = Generations(tmp_path / "g")
    before = generations.of("source", "0/1"), generations.of("other", "0/1")
    process = subprocess.Popen([sys.executable, "-c", WRITER, tmp_path / "g"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    generations.recover()
    assert generations.of("source", "0/1") == before[0]
    process.kill()
    process.communicate()
    generations.recover()
    assert generations.of("source", "0/1") != before[0]
    assert generations.of("other", "0/1") == before[1]
    after = generations.of("source", "0/1")
    assert Generations(tmp_path / "g").of("source", "0/1") == after


def test_too_many_processes_are_refused(tmp_path: Path) -> None:
    sharing = [Generations(tmp_path / "g") for _ in range(PROCESSES)]
    with pytest.raises(StoreError, match="another cache folder"):
        Generations(tmp_path / "g")
    for one in sharing:
        one.close()
