"""Cores, memory and disk, within control groups."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import pytest

from voxome.config import machine
from voxome.config.machine import (
    available_cpus,
    available_memory_bytes,
    cpu_limit,
    disk_at,
    free_memory_bytes,
    resident_bytes,
    worker_count,
)
from voxome.errors import InvalidInput

GIB = 1 << 30


@pytest.fixture(autouse=True)
def _eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": f"MemTotal: {64 << 20} kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_without_control_groups_the_machine_counts(tmp_path: Path) -> None:
    root = _write(tmp_path, {})
    assert (available_cpus(root), available_memory_bytes(root), cpu_limit(root)) == (8, 64 * GIB, None)


def test_free_memory_is_what_the_machine_and_the_address_space_leave(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"MemTotal: {64 << 20} kB\nMemAvailable: {4 << 20} kB\nSwapFree: {1 << 20} kB\nHugePages_Total: 0\n"
    root = _write(tmp_path, {"proc/meminfo": text, "proc/self/statm": "1000 10 10\n"})
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    assert free_memory_bytes(root) == 5 * GIB
    assert available_memory_bytes(root) == 64 * GIB
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2 * GIB, 2 * GIB))
    assert free_memory_bytes(root) == 2 * GIB - 1000 * resource.getpagesize()
    assert free_memory_bytes(tmp_path / "none") is None


def test_memory_in_use_is_that_of_the_process(tmp_path: Path) -> None:
    root = _write(tmp_path, {"proc/7/statm": "1000 10 5\n"})
    assert resident_bytes(7, root) == 10 * resource.getpagesize()
    assert resident_bytes(8, root) is None


def test_limits_of_version_2_hold_and_those_of_groups_above(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/batch/job"
    files = {
        "proc/self/cgroup": "0::/batch/job\n",
        f"{group}/cpu.max": "max 100000\n",
        f"{group}/memory.max": f"{8 * GIB}\n",
        "sys/fs/cgroup/batch/cpu.max": "250000 100000\n",
        "sys/fs/cgroup/batch/memory.max": f"{16 * GIB}\n",
    }
    root = _write(tmp_path, files)
    assert (available_cpus(root), available_memory_bytes(root), cpu_limit(root)) == (2, 8 * GIB, 2.5)


def test_limits_of_version_1_hold(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "4:memory:/job\n3:cpu,cpuacct:/job\n",
        "sys/fs/cgroup/cpu/job/cpu.cfs_quota_us": "50000\n",
        "sys/fs/cgroup/cpu/job/cpu.cfs_period_us": "100000\n",
        "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}\n",
        "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    }
    root = _write(tmp_path, files)
    assert (available_cpus(root), available_memory_bytes(root)) == (1, 2 * GIB)


def test_an_unlimited_group_is_no_limit(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/cpu.max": "-1 100000\n"}
    root = _write(tmp_path, files)
    assert (available_cpus(root), available_memory_bytes(root)) == (8, 64 * GIB)


def test_workers_are_all_cores_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "available_cpus", lambda: 5)
    assert (worker_count(None), worker_count(2)) == (5, 2)
    for wrong in (0, -1, 1.5, "2"):
        with pytest.raises(InvalidInput, match="workers"):
            worker_count(wrong)  # type: ignore[arg-type]


def test_the_disk_of_a_folder_that_does_not_exist_yet_is_that_above_it(tmp_path: Path) -> None:
    assert disk_at(tmp_path / "a" / "b").folder == disk_at(tmp_path).folder == str(tmp_path)
