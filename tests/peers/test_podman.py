"""podman runs containers, with files of ours and without a network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from peers.podman import IMAGE, Podman

pytestmark = pytest.mark.slow


def test_a_container_reads_and_writes_a_folder(podman: Podman, tmp_path: Path) -> None:
    (tmp_path / "input").write_text("voxels")
    volume = f"--volume={tmp_path}:/data"
    podman("run", "--rm", volume, IMAGE, "/bin/sh", "-c", "/bin/cat /data/input /data/input > /data/output")
    assert (tmp_path / "output").read_text() == "voxelsvoxels"


def test_the_status_of_a_container_comes_back(podman: Podman) -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        podman("run", "--rm", IMAGE, "/bin/sh", "-c", "exit 7")
    assert caught.value.returncode == 7


def test_a_container_runs_as_another_user_without_a_network(podman: Podman) -> None:
    script = "/bin/id -u; /bin/cat /proc/net/route | /bin/wc -l"
    output = podman("run", "--rm", "--read-only", "--user=1000:1000", IMAGE, "/bin/sh", "-c", script)
    assert output.split() == ["1000", "1"]
