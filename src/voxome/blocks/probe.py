"""The task ``probe``, which does what a test of an engine wants of a job."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from voxome.blocks.memory import peak_bytes
from voxome.config.settings import settings
from voxome.contracts.engine import JobResult
from voxome.errors import InvalidInput

_POLL_S = 0.02
_kept: list[bytes] = []


def probe(payload: Mapping[str, Any]) -> JobResult:
    """Perform the ``action`` of `payload` with the values beside it.

    ``checksum`` counts the length and CRC-32 of ``text``; ``fail`` raises an error that may be retried, ``reject`` one
    that may not; ``die`` kills the process; ``sleep`` takes ``seconds``, or until the file ``release`` exists, between
    the files ``started`` and ``ended`` under ``folder``; ``environment`` writes the home, temporary and working
    directories to the file ``path``; ``move`` makes ``folder`` the home and the working directory; ``keep`` takes
    ``bytes`` of memory until the process ends;
    ``setting`` counts the setting ``name`` as ``value``. The process id is counted as ``pid``.
    """
    began = time.perf_counter()
    counts = _ACTIONS[payload["action"]](payload)
    return JobResult(time.perf_counter() - began, peak_bytes(), {"pid": os.getpid(), **counts})


def _checksum(payload: Mapping[str, Any]) -> dict[str, int]:
    data = payload["text"].encode()
    return {"bytes": len(data), "crc32": zlib.crc32(data)}


def _fail(payload: Mapping[str, Any]) -> dict[str, int]:
    raise RuntimeError(payload["message"])


def _reject(payload: Mapping[str, Any]) -> dict[str, int]:
    raise InvalidInput(payload["message"])


def _die(payload: Mapping[str, Any]) -> dict[str, int]:
    del payload
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("unreachable")


def _sleep(payload: Mapping[str, Any]) -> dict[str, int]:
    folder = Path(payload["folder"])
    (folder / "started").touch()
    deadline = time.monotonic() + payload["seconds"]
    while (left := deadline - time.monotonic()) > 0 and not (folder / "release").exists():
        time.sleep(min(left, _POLL_S))
    (folder / "ended").touch()
    return {}


def _environment(payload: Mapping[str, Any]) -> dict[str, int]:
    values = {"home": os.environ.get("HOME"), "temporary": tempfile.gettempdir(), "working": str(Path.cwd())}
    Path(payload["path"]).write_text(json.dumps(values), encoding="utf-8")
    return {}


def _move(payload: Mapping[str, Any]) -> dict[str, int]:
    os.environ["HOME"] = payload["folder"]
    os.chdir(payload["folder"])
    return {}


def _keep(payload: Mapping[str, Any]) -> dict[str, int]:
    _kept.append(b"1" * payload["bytes"])
    return {}


def _setting(payload: Mapping[str, Any]) -> dict[str, int]:
    return {"value": getattr(settings(), payload["name"])}


_ACTIONS: dict[str, Callable[[Mapping[str, Any]], dict[str, int]]] = {
    "checksum": _checksum,
    "fail": _fail,
    "reject": _reject,
    "die": _die,
    "sleep": _sleep,
    "environment": _environment,
    "move": _move,
    "keep": _keep,
    "setting": _setting,
}
