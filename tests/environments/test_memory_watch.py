"""The watch of a container's memory finds its control group; real kills are tests of podman."""

from __future__ import annotations

import time
from pathlib import Path

from voxome.environments.memory_watch import memory_group, watching_memory

VERSION_1 = "4:memory:/parent/container\n1:name=systemd:/user\n0::/user\n"
VERSION_2 = "0::/user.slice/container.scope\n"


def test_the_group_of_either_version_is_found(tmp_path: Path) -> None:
    assert memory_group(VERSION_1, tmp_path) == tmp_path / "sys/fs/cgroup/memory/parent/container"
    assert memory_group(VERSION_2, tmp_path) is None
    group = tmp_path / "sys/fs/cgroup/user.slice/container.scope"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("oom 0\noom_kill 0\n")
    assert memory_group(VERSION_2, tmp_path) == group


def test_kills_before_the_watch_began_are_counted(tmp_path: Path) -> None:
    group = tmp_path / "sys/fs/cgroup/scope"
    group.mkdir(parents=True)
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 7\noom 1\noom_kill 1\n")
    (tmp_path / "proc/7").mkdir(parents=True)
    (tmp_path / "proc/7/cgroup").write_text("0::/scope\n")
    with watching_memory(tmp_path / "pid", tmp_path) as has_killed:
        (tmp_path / "pid").write_text("7")
        time.sleep(0.3)
        assert has_killed()


def test_a_container_that_never_starts_has_killed_nothing(tmp_path: Path) -> None:
    with watching_memory(tmp_path / "pid", tmp_path) as has_killed:
        assert not has_killed()
        assert not has_killed()
