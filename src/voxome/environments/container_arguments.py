"""Arguments that docker and podman have in common."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from voxome.contracts.environment import Command, Mount

HOME = "/home/voxome"
"""HOME of commands in containers."""
LABEL = "org.voxome.run"
"""Label of containers, with the id of their run."""
LEAST_MEMORY_BYTES = 6 << 20
"""Least limit of memory that engines accept; smaller ones are raised to it."""
LEAST_CPUS = 0.01
"""Least limit of processor time that engines accept, in cores."""
_OF_CLIENTS = re.compile(
    r"LD_|GO(DEBUG|GC|MAXPROCS|MEMLIMIT|TRACEBACK)$|GRPC_|DOCKER|BUILDKIT|CONTAINER|STORAGE_|REGISTRY_|XDG_|SSL_|TMPDIR$|HOME$|PATH$|USER$|LOGNAME$|LISTEN_|NOTIFY_"
    r"|DBUS_|(HTTPS?|NO|ALL|FTP)_PROXY$",
    re.IGNORECASE,
)
"""Variables that docker and podman read themselves: for the command they are passed by value."""


def isolation() -> list[str]:
    """Return the arguments that take everything from a container that a command does not need."""
    return [
        "--interactive",
        "--pull=never",
        "--read-only",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--security-opt=label=disable",
        "--log-driver=none",
    ]


def mount_arguments(mounts: Iterable[Mount]) -> Iterator[str]:
    """Yield an argument for each mount, outer folders first; any character may be in a path."""
    for mount in sorted(mounts, key=lambda one: PurePosixPath(one.target).parts):
        fields = ["type=bind", f"source={mount.source}", f"target={mount.target}"]
        yield f"--mount={csv_row([*fields, *([] if mount.is_writable else ['readonly'])])}"


def csv_row(fields: Iterable[str]) -> str:
    """Return fields as a row of CSV, in which engines take apart what they mount.

    Examples
    --------
    >>> csv_row(["type=bind", "source=/a,b"])
    'type=bind,"source=/a,b"'
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(fields)
    return text.getvalue()


def own_mounts(command: Command, scratch: Path) -> list[Mount]:
    """Return mounts for HOME and TMPDIR, and a list of users that has the caller; those of the command come first."""
    uid, gid = os.getuid(), os.getgid()
    root = f"root:x:0:0::{HOME if uid == 0 else '/root'}:/bin/sh\n"
    users = root + "nobody:x:65534:65534::/nonexistent:/bin/false\n"
    groups = "root:x:0:\nnogroup:x:65534:\n"
    if uid not in (0, 65534):
        users += f"voxome:x:{uid}:{gid}::{HOME}:/bin/sh\n"
    if gid not in (0, 65534):
        groups += f"voxome:x:{gid}:\n"
    (scratch / "passwd").write_text(users, encoding="ascii")
    (scratch / "group").write_text(groups, encoding="ascii")
    given = {PurePosixPath(mount.target) for mount in command.mounts}
    mounts = [
        Mount(str(scratch / "home"), HOME, True),
        Mount(str(scratch / "tmp"), "/tmp", True),
        Mount(str(scratch / "tmp"), "/var/tmp", True),
        Mount(str(scratch / "passwd"), "/etc/passwd"),
        Mount(str(scratch / "group"), "/etc/group"),
    ]
    return [mount for mount in mounts if PurePosixPath(mount.target) not in given]


def own_variables() -> dict[str, str]:
    """Return the variables that a command in a container has besides those of its image and its own."""
    user = {0: "root", 65534: "nobody"}.get(os.getuid(), "voxome")
    return {"HOME": HOME, "TMPDIR": "/tmp", "USER": user, "LOGNAME": user}


def variable_arguments(variables: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return arguments for variables, and what the client needs in its own environment.

    Values are kept out of the list of processes, which everybody can read, unless the client would use them itself.
    """
    arguments, inherited = [], {}
    for name, value in variables.items():
        if _OF_CLIENTS.match(name):
            arguments.append(f"--env={name}={value}")
        else:
            arguments.append(f"--env={name}")
            inherited[name] = value
    return arguments, inherited
