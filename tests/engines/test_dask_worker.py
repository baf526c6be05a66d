"""Child processes of a Dask worker, which several runs may share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from voxome.contracts.engine import JobStatus
from voxome.engines.dask_worker import Children
from voxome.testing.engine import probe

pytestmark = pytest.mark.slow


@pytest.fixture
def children() -> Iterator[Children]:
    """Children without any."""
    children = Children()
    yield children
    children.end_idle()


def _fail(children: Children, message: str, log: Path, threads: int = 1) -> JobStatus:
    return children.perform(probe(message, "fail", message=message), f"session/{message}/0", log, None, threads)


def _pid(children: Children, name: str, log: Path, threads: int) -> int:
    status = children.perform(probe(name, "checksum", text=""), f"session/{name}/0", log, None, threads)
    assert status.result is not None
    return status.result.counts["pid"]


def test_a_child_logs_into_the_log_of_its_job(children: Children, tmp_path: Path) -> None:
    _fail(children, "first", tmp_path / "one.log")
    _fail(children, "second", tmp_path / "other.log")
    _fail(children, "third", tmp_path / "other.log")
    assert "second" not in (tmp_path / "one.log").read_text()
    assert "RuntimeError: second" in (tmp_path / "other.log").read_text()
    assert "RuntimeError: third" in (tmp_path / "other.log").read_text()


def test_a_child_is_kept_for_jobs_with_the_same_number_of_threads(children: Children, tmp_path: Path) -> None:
    log = tmp_path / "log"
    first, again, other = (_pid(children, name, log, threads) for name, threads in (("a", 1), ("b", 1), ("c", 2)))
    assert first == again != other
    assert not Path(f"/proc/{first}").exists()
