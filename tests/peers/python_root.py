"""The Python of this machine as the root of an image: no registry is needed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path

from peers.requirement import program

_APPLETS = ("sh", "cat", "echo", "env", "id", "ls", "rm", "sleep")
_LEFT_OUT = {"test", "site-packages", "__pycache__", "idlelib", "tkinter", "turtledemo"}
_LIBRARIES = (
    "libc.so.6", "libdl.so.2", "libgcc_s.so.1", "libm.so.6", "libpthread.so.0", "librt.so.1", "libstdc++.so.6",
    "libutil.so.1",
)  # fmt: skip
"""What wheels take for granted."""


def python_root() -> bytes:
    """Return the files of an image as tar: Python with its standard library and its libraries, and busybox."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    prefix = Path(sys.base_prefix)
    executable, library = prefix / "bin" / name, prefix / "lib" / name
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(program("busybox", package="busybox-static"), "bin/busybox")
        for applet in _APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
        temporary = tarfile.TarInfo("tmp")
        temporary.type, temporary.mode = tarfile.DIRTYPE, 0o1777
        archive.addfile(temporary)
        archive.add(executable, "usr/local/bin/python3")
        archive.add(library, f"usr/local/lib/{name}", filter=_without_tests)
        for file in sorted(_needed([executable, *(library / "lib-dynload").glob("*.so")])):
            archive.add(os.path.realpath(file), file.lstrip("/"))
    return data.getvalue()


def _without_tests(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if _LEFT_OUT.intersection(Path(member.name).parts) else member


def _needed(files: Iterable[Path]) -> set[str]:
    """Return the shared libraries that programs need, and those that wheels do."""
    listed = subprocess.run(["ldd", *map(str, files)], capture_output=True, text=True, check=False).stdout
    found = {word for word in listed.split() if word.startswith("/") and not word.endswith(":") and Path(word).exists()}
    cached = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for line in cached.splitlines():
        name, _, path = line.strip().partition(" => ")
        if name.split(" ")[0] in _LIBRARIES and Path(path).exists():
            found.add(path)
    return found
