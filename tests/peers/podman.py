"""podman with storage of its own, and an image that holds nothing but busybox."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from peers.requirement import program, unavailable

IMAGE = "localhost/voxome-busybox:latest"
_CONTAINERS = """
[containers]
default_ulimits = ["nofile={files}:{files}", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
_STORAGE = """
[storage]
driver = "overlay"
graphroot = "{folder}/storage"
runroot = "{folder}/run"
"""


@dataclass(frozen=True)
class Podman:
    """podman, set up in a folder.

    Attributes
    ----------
    command : str
        The program.
    environment : dict
        Environment in which it finds its configuration, for other programs that call podman.
    """

    command: str
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: bytes = b"", timeout_s: float = 120.0) -> str:
        """Return what ``podman ARGUMENTS`` prints.

        Raises
        ------
        subprocess.CalledProcessError
        """
        done = subprocess.run(
            [self.command, *arguments],
            input=stdin,
            env=self.environment,
            capture_output=True,
            timeout=timeout_s,
            check=True,
        )
        return done.stdout.decode()


@contextmanager
def podman() -> Iterator[Podman]:
    """Set podman up in a folder of its own, with `IMAGE` in it.

    It runs containers by runc: crun needs a kernel with cgroups of version 2 alone. No registry is needed.
    """
    if os.getuid() != 0:
        unavailable("containers are run as root here, for rootless ones need user namespaces")
    command = program("podman", package="podman")
    program("runc", package="runc")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        (folder / "containers.conf").write_text(_CONTAINERS.format(files=files))
        (folder / "storage.conf").write_text(_STORAGE.format(folder=folder))
        environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
        }
        tool = Podman(command, environment)
        try:
            tool("import", "-", IMAGE, stdin=busybox_root())
            yield tool
        finally:
            tool("rm", "--all", "--force", "--time=0")
            tool("rmi", "--all", "--force")
            subprocess.run(["umount", folder / "storage" / "overlay"], capture_output=True, check=False)


def busybox_root() -> bytes:
    """Return the files of an image as tar: busybox under the names of its commands."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(program("busybox", package="busybox-static"), "bin/busybox")
        for applet in ("sh", "cat", "dd", "echo", "id", "mkdir", "sleep", "wc"):
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    return data.getvalue()
