"""Cores, memory and disk that this process may use: of the machine, or less in a container or a batch job."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MOST_CPUS = 8192
"""Cores of a machine at most: the limit of Linux (NR_CPUS)."""
_ROOT = Path("/")


@dataclass(frozen=True)
class Disk:
    """A disk of this machine.

    Attributes
    ----------
    folder : str
        An existing folder on it.
    free_bytes, total_bytes : int
        Free space and size.
    """

    folder: str
    free_bytes: int
    total_bytes: int


def disk_at(path: Path) -> Disk:
    """Return the disk of a folder, which need not exist yet."""
    folder = next(one for one in (path.absolute(), *path.absolute().parents) if one.exists())
    usage = shutil.disk_usage(folder)
    return Disk(str(folder), usage.free, usage.total)


def worker_count(workers: int | None) -> int:
    """Return the number of processes of a run: all cores that this process may use by default."""
    from voxome.contracts.arguments import require_count  # it imports NumPy

    return available_cpus() if workers is None else require_count("workers", workers)


def available_cpus(root: Path = _ROOT) -> int:
    """Return the number of cores that this process may use, at least 1.

    Parameters
    ----------
    root : path
        Root of the file system, under which ``proc`` and ``sys`` are.
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([cores, *(int(quota) for quota in _cpu_quotas(root))]))


def available_memory_bytes(root: Path = _ROOT) -> int | None:
    """Return the memory in bytes that this process may use; None where that is unknown.

    Parameters
    ----------
    root : path
        Root of the file system, under which ``proc`` and ``sys`` are.
    """
    return min([*_machine_memory(root), *memory_limits(root)], default=None)


def free_memory_bytes(root: Path = _ROOT) -> int | None:
    """Return the memory in bytes that this process can still get, swap included; None where that is unknown.

    Parameters
    ----------
    root : path
        Root of the file system, under which ``proc`` and ``sys`` are.
    """
    now = _meminfo(root)
    free = [now["MemAvailable"] + now.get("SwapFree", 0)] if "MemAvailable" in now else []
    return min([*free, *memory_limits(root), *_address_space(root)], default=None)


def resident_bytes(pid: int, root: Path = _ROOT) -> int | None:
    """Return the memory in bytes that a process has in use; None where that is unknown.

    Parameters
    ----------
    pid : int
        Id of the process.
    root : path
        Root of the file system, under which ``proc`` is.
    """
    pages = _read(root / f"proc/{pid}/statm").split()
    return int(pages[1]) * resource.getpagesize() if pages else None


def _address_space(root: Path) -> Iterator[int]:
    """Yield what is left of the address space of this process, if it is limited (``ulimit -v``)."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _read(root / "proc/self/statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield max(0, limit - int(pages[0]) * resource.getpagesize())


def memory_limits(root: Path = _ROOT) -> Iterator[int]:
    """Yield the memory limits in bytes of the control groups of this process."""
    for folder in _groups(root, "memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            text = _read(folder / name)
            if text.isdigit() and int(text) < 1 << 60:
                yield int(text)


def cpu_limit(root: Path = _ROOT) -> float | None:
    """Return the number of cores that the control groups of this process allow; None if they do not limit it."""
    return min(_cpu_quotas(root), default=None)


def _cpu_quotas(root: Path) -> Iterator[float]:
    for folder in _groups(root, "cpu"):
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if not quota:
            quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota.isdigit() and period.isdigit() and int(period):
            yield int(quota) / int(period)


def _groups(root: Path, controller: str) -> Iterator[Path]:
    """Yield the folders of the control groups of this process, and of those that contain them (versions 1 and 2)."""
    base = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, controllers, path = line.split(":", 2)
        if number != "0" and controller not in controllers.split(","):
            continue
        group = base / ("" if number == "0" else controller) / path.lstrip("/")
        while group.is_relative_to(base):
            yield group
            group = group.parent


def _machine_memory(root: Path) -> Iterator[int]:
    now = _meminfo(root)
    if "MemTotal" in now:
        yield now["MemTotal"]


def _meminfo(root: Path) -> dict[str, int]:
    """Return the lengths in bytes that the kernel reports for the memory of the machine, by their names."""
    rows = (line.partition(":") for line in _read(root / "proc/meminfo").splitlines())
    return {name: int(size.split()[0]) * 1024 for name, _, size in rows if size.endswith("kB")}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
