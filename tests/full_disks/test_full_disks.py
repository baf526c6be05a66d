"""A full disk ends commands in one true message, and harms nothing; `make full-disks` tries all of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

VERBS = ("put zarr", "get sections", "get --overwrite zarr", "transfer zarr", "downsample", "relay token", "init")


def test_commands_survive_a_full_disk(tmp_path: Path) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a file system")
    subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)
    here = str(Path(__file__).parents[1])
    command = [sys.executable, "-m", "full_disks.run", "--tries", str(len(VERBS)), *VERBS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=here, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
