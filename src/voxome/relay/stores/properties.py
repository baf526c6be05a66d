"""What is known of an object beyond its content, in a file of its own where there is something to know."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from voxome.storage.durable import sync_folder

DEFAULT_TYPE = "application/octet-stream"


@dataclass(frozen=True)
class Properties:
    """Headers of an object.

    Attributes
    ----------
    etag : str
        ETag, where that is not the MD5 of the content, or the content is long; without quotes.
    media_type : str
        Type of the content.
    headers : mapping of str to str
        Other headers with which it is answered, such as ``content-encoding``.
    """

    etag: str = ""
    media_type: str = DEFAULT_TYPE
    headers: Mapping[str, str] = field(default_factory=dict)


class PropertyFiles:
    """Properties of objects, by their keys; those of one file are not those of another of the same key.

    They are found by the size and the time of the file, which a copy of the whole folder keeps.

    Parameters
    ----------
    folder : Path
        Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, key: str, status: os.stat_result) -> Properties:
        """Return the properties of the object that is the file with this status."""
        try:
            return Properties(**json.loads((self._of(key) / _name(status)).read_bytes()))
        except (FileNotFoundError, NotADirectoryError, ValueError, TypeError, RecursionError):
            return Properties()

    def write(self, key: str, file: Path, properties: Properties) -> None:
        """Keep the properties of a file that will be the object, on the disk; no other file has its time then."""
        if properties == Properties():
            return
        with file.open("rb") as content:
            now = time.time_ns()  # clocks of file systems are coarser
            os.utime(content.fileno(), ns=(now, now))
            os.fsync(content.fileno())
        folder = self._of(key)
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{secrets.token_hex(8)}"
        with draft.open("wb") as opened:
            opened.write(json.dumps(asdict(properties)).encode())
            opened.flush()
            os.fsync(opened.fileno())
        draft.rename(folder / _name(file.stat()))
        for one in (folder, folder.parent, self._folder):
            sync_folder(one)

    def forget(self, key: str, kept: os.stat_result | None = None) -> None:
        """Remove the properties of what the object was before, or all if it was deleted."""
        folder = self._of(key)
        if kept is None:
            shutil.rmtree(folder, ignore_errors=True)
            return
        if folder.is_dir():
            for one in folder.iterdir():
                if one.name != _name(kept):
                    one.unlink(missing_ok=True)

    def _of(self, key: str) -> Path:
        digest = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / digest[:2] / digest[2:]


def _name(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"
