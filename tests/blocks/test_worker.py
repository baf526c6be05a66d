"""A worker performs one job from a file, or jobs until its input ends."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import voxome
from voxome.blocks.worker import DONE, FAILED, WRONG_USAGE, run_file
from voxome.contracts.engine import Job, JobResult, JobStatus
from voxome.engines.perform import perform
from voxome.errors import MemoryLimit, OutOfMemory, StoreError
from voxome.testing.engine import count, probe

WORKER = [sys.executable, "-m", "voxome.blocks.worker"]


def _run_one(job: Job, folder: Path) -> tuple[int, JobStatus]:
    (folder / "job.json").write_text(json.dumps(job.to_json()), encoding="utf-8")
    arguments = ["--job", str(folder / "job.json"), "--result", str(folder / "result.json")]
    ended = subprocess.run([*WORKER, *arguments], capture_output=True, timeout=60, check=False)
    status = JobStatus.from_json(json.loads((folder / "result.json").read_text(encoding="utf-8")))
    assert sorted(path.name for path in folder.iterdir()) == ["job.json", "result.json"]
    return ended.returncode, status


@pytest.mark.slow
def test_the_status_of_one_job_is_written_to_a_file(tmp_path: Path) -> None:
    code, status = _run_one(probe("κ/0/1", "checksum", text="脳"), tmp_path)
    assert (code, status.id, status.state) == (DONE, "κ/0/1", "done")
    assert count(status, "crc32") == zlib.crc32("脳".encode())


@pytest.mark.slow
def test_the_status_of_a_failed_job_has_its_message(tmp_path: Path) -> None:
    code, status = _run_one(probe("one", "reject", message="no such level"), tmp_path)
    assert (code, status) == (FAILED, JobStatus("one", "failed", None, "no such level", "InvalidInput", False))


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"retries": -1}, {"setting_of_a_later_version": 1}])
def test_settings_that_the_worker_cannot_adopt_fail_the_job(settings: dict[str, int], tmp_path: Path) -> None:
    job = Job("one", "probe", {"action": "checksum", "text": ""}, settings=settings)
    code, status = _run_one(job, tmp_path)
    assert (code, status.state, status.retryable) == (FAILED, "failed", False)
    assert next(iter(settings)) in status.error


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "out of memory; use smaller blocks (--block) or fewer workers (--workers), or more memory"),
        (
            MemoryError("Unable to allocate 8 GiB"),
            "out of memory: Unable to allocate 8 GiB; use smaller blocks (--block)",
        ),
        (OutOfMemory("em: 9 voxels take 8 GB"), "em: 9 voxels take 8 GB; use smaller blocks (--block)"),
    ],
)
def test_a_lack_of_memory_is_named_with_what_needs_less(error: MemoryError, message: str) -> None:
    def task(_: object) -> JobResult:
        raise error

    status = perform(Job("one", "probe", {}), task, quiet=True)
    assert status.error is not None
    assert status.error.startswith(message)
    assert (status.error_type, status.retryable) == ("OutOfMemory", True)


def test_a_command_that_exceeds_its_own_limit_of_memory_is_not_tried_again() -> None:
    def task(_: object) -> JobResult:
        raise MemoryLimit("segment needed more than its memory limit of 9 bytes; raise the limit (ramMax)")

    status = perform(Job("one", "probe", {}), task, quiet=True)
    assert (status.error_type, status.retryable) == ("MemoryLimit", False)
    assert status.error is not None
    assert status.error.endswith("raise the limit (ramMax)")


_LIMITED = """
import resource, sys
import voxome.cli.main
import voxome.services.transfer.execute, voxome.workflow.run_tool

mapped = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (mapped + (3 << 30),) * 2)
voxome.cli.main.main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["1", "sequential"])
def test_a_run_with_too_little_memory_says_what_to_lower(tmp_path: Path, workers: str) -> None:
    spec = voxome.VolumeSpec.of((1700, 1700, 1700), "uint8", chunk=(64, 64, 64), voxel_size_nm=(8, 8, 8))
    voxome.create(f"zarr://{tmp_path}/em.zarr", spec)
    words = ["tool", "common.threshold", "--image", f"{tmp_path}/em.zarr", "--at", "3", "--out", f"{tmp_path}/out"]
    words += ["--block", "1700,1700,1700", *(["--workers", "1"] if workers == "1" else ["--engine", workers])]
    ended = subprocess.run([sys.executable, "-c", _LIMITED, *words], capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "smaller blocks (--block) or fewer workers (--workers)" in ended.stderr
    assert "internal error" not in ended.stderr
    assert "Traceback" not in ended.stderr.split("voxome: ")[-1]


def test_a_job_whose_result_is_there_is_not_performed_again(tmp_path: Path) -> None:
    job = probe("one", "fail", message="performed")
    (tmp_path / "job.json").write_text(json.dumps(job.to_json()), encoding="utf-8")
    stored, paths = tmp_path / "result.json", (tmp_path / "job.json", tmp_path / "result.json")
    done = JobStatus("one", "done", JobResult(1.0, 1, {"first": 1}))
    stored.write_text(json.dumps(done.to_json()), encoding="utf-8")
    assert run_file(*paths) == DONE
    assert JobStatus.from_json(json.loads(stored.read_text(encoding="utf-8"))) == done
    for other in ("not a status", json.dumps(JobStatus("two", "done", JobResult(1.0, 1)).to_json())):
        stored.write_text(other, encoding="utf-8")
        assert run_file(*paths) == FAILED
        assert "performed" in stored.read_text(encoding="utf-8")


def test_failures_are_reported_without_secrets(capfd: pytest.CaptureFixture[str]) -> None:
    status = perform(probe("one", "fail", message="GET http://me:pw@host/x?token=abc failed"))
    for text in (status.error, capfd.readouterr().err):
        assert "GET http://host/x?token=*** failed" in text
        assert "abc" not in text


def test_causes_of_failures_are_logged_without_secrets(tmp_path: Path) -> None:
    def task(_: object) -> JobResult:
        try:
            try:
                raise KeyError(b"Authorization: Bearer zq7-never")
            except KeyError as error:
                raise ValueError({"token": "zq7-never\u00e9 ", "url": "s3://AKIA:zq7-never@b"}) from error
        except ValueError:
            raise StoreError("GET http%3A%2F%2Fme:zq7-never%40host/x?X-Goog-Signature=zq7-never&sig=zq7-never%3D")  # noqa: B904

    status = perform(Job("one", "probe", {}), task, log=tmp_path / "log")
    assert "zq7" not in (status.error or "")
    assert "zq7" not in (text := (tmp_path / "log").read_text())
    assert all(name in text for name in ("KeyError", "ValueError", "StoreError", "Authorization: Bearer ***"))


@pytest.mark.slow
@pytest.mark.parametrize("text", ["", "[]", '{"id": "one"}'])
def test_a_file_that_is_not_a_job_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(text)
    arguments = ["--job", str(tmp_path / "job.json"), "--result", str(tmp_path / "result.json")]
    ended = subprocess.run([*WORKER, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == WRONG_USAGE
    assert f"{tmp_path / 'job.json'} is not a job file" in ended.stderr
    assert not (tmp_path / "result.json").exists()


def test_a_job_without_a_result_file_is_a_usage_error(tmp_path: Path) -> None:
    ended = subprocess.run([*WORKER, "--job", "x"], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == WRONG_USAGE
    assert "--job and --result go together" in ended.stderr


def test_jobs_and_statuses_survive_json() -> None:
    job = probe("one", "checksum", text="x")
    assert Job.from_json(json.loads(json.dumps(job.to_json()))) == job
    lost = JobStatus("one", "lost", error="gone")
    assert JobStatus.from_json(json.loads(json.dumps(lost.to_json()))) == lost
