"""The settings: names, types, limits and defaults."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

import platformdirs
from annotated_types import Ge, Interval

PREFIX = "VOXOME_"
Positive = Annotated[int, Ge(1)]
NotNegative = Annotated[int, Ge(0)]


@dataclass(frozen=True)
class Settings:
    """Settings of a process, with their types, limits and descriptions; none of them is secret."""

    cache_bytes: Annotated[NotNegative, "Bytes of decoded chunks that are cached"] = 0
    file_concurrency: Annotated[Positive, "Concurrent reads and writes of files"] = 8
    http_concurrency: Annotated[Positive, "Concurrent requests for chunks over HTTP, S3 and GCS"] = 32
    retries: Annotated[NotNegative, "Further attempts at a failed request for chunks"] = 6
    stall_s: Annotated[Positive, "Seconds without data after which a request for chunks is repeated"] = 10
    operation_s: Annotated[Positive, "Time limit of one operation on chunks, in seconds"] = 3600
    bossdb_workers: Annotated[Positive, "Concurrent requests for voxels of a BossDB"] = 8
    bossdb_request_mib: Annotated[int, Interval(ge=1, le=512), "Size of such a request in MiB"] = 8
    dvid_workers: Annotated[Positive, "Concurrent requests for voxels of a DVID; 1 with `?throttle=true`"] = 8
    dvid_request_voxels: Annotated[Positive, "Voxels of such a request"] = 1 << 22
    largest_chunk_bytes: Annotated[Positive, "Largest chunk that is read, in bytes, decompressed"] = 1 << 32
    transfer_block_bytes: Annotated[Positive, "Size of a block of a transfer, if chunks are smaller"] = 1 << 25
    allow_network: Annotated[bool, "Whether documents of workflows are fetched from the network"] = False
    max_failures: Annotated[str, "Failed jobs of a step, `N` or `P%`, beyond which the rest is cancelled"] = "15"
    environment: Annotated[str | None, "Where foreign programs run; default: containers if they name an image"] = None
    threads: Annotated[Positive, "Threads of a neural network on the CPU"] = 1
    state: Annotated[Path | None, "Folder for transfer progress; default: the user's cache folder"] = None
    cache: Annotated[Path | None, "Folder for files of `dataset:NAME`; default: the user's cache folder"] = None
    profile: Annotated[str | None, "Profile in use; default: the one that the configuration file names"] = None
    config: Annotated[Path | None, "Configuration file; default: `config.toml` in the user's folder"] = None
    keyring: Annotated[bool, "Whether to look up tokens in the system's keyring"] = False


LOCAL = frozenset({"cache", "config", "state", "threads"})
"""Settings that depend on the machine."""

VARIABLES = {one.name: f"{PREFIX}{one.name.upper()}" for one in fields(Settings)}
"""Name of a setting → its environment variable."""


def config_file(chosen: str | Path | None = None) -> Path:
    """Return the path of the configuration file: `chosen`, or what the environment names, or the user's own."""
    named = chosen or os.environ.get(VARIABLES["config"])
    return Path(named or Path(platformdirs.user_config_dir("voxome")) / "config.toml")
