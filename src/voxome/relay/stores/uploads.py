"""Objects that clients upload in parts, which survive a restart."""

from __future__ import annotations

import hashlib
import itertools
import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from voxome.errors import InvalidInput, NotFound
from voxome.relay.file_locks import locked_file
from voxome.relay.stores.keys import parts_of
from voxome.relay.stores.properties import Properties
from voxome.relay.stores.store import Check, Store
from voxome.storage.durable import sync_folder

MOST_PARTS = 10_000
LEAST_PART_BYTES = 5 * 2**20
"""Size of every part but the last."""

_DAY_S = 86400.0
_ID = re.compile(r"[0-9a-f]{32}")
_PART = re.compile(r"(\d{5})\.([0-9a-f]{32})")
_RECORD, _LOCK = "upload.json", "lock"
_LOG = logging.getLogger(__name__)


class NoSuchUpload(NotFound):
    """An upload does not exist, or has ended."""


class InvalidPart(InvalidInput):
    """A part is not there, or another one than the client expects."""


class InvalidPartOrder(InvalidInput):
    """Parts are not in the order of their numbers."""


class PartTooSmall(InvalidInput):
    """A part that is not the last is too small."""


@dataclass(frozen=True)
class Part:
    """A part of an upload: its number, the MD5 of its content, its size in bytes, and when it came, in s since 1970."""

    number: int
    md5: str
    size: int
    modified: float


@dataclass(frozen=True)
class Upload:
    """An upload: its id, the key of the object to be, when it began, in s since 1970, and properties of the object."""

    id: str
    key: str
    started: float
    properties: Properties


class Uploads:
    """Uploads to a store.

    Parameters
    ----------
    store : Store
        Where the objects are to be.
    """

    def __init__(self, store: Store) -> None:
        self._store, self._folder = store, store.own / "uploads"

    def begin(self, key: str, properties: Properties) -> Upload:
        """Begin an upload; those that were abandoned end."""
        parts_of(key)
        self.expire()
        upload = Upload(secrets.token_hex(16), key, time.time(), properties)
        draft = self._store.new_file()
        draft.mkdir()
        with (draft / _RECORD).open("wb") as record:
            record.write(json.dumps(asdict(upload)).encode())
            record.flush()
            os.fsync(record.fileno())
        (draft / _LOCK).touch(0o600)  # now: it would renew the time of the folder when the upload is to end
        sync_folder(draft)
        draft.rename(self._folder / upload.id)
        sync_folder(self._folder)
        return upload

    def expire(self) -> None:
        """End the uploads that have got no part for longer than the store keeps them."""
        for folder in list(self._folder.iterdir()):
            if not _ID.fullmatch(folder.name) or not self._is_old(folder):
                continue
            upload = self._read(folder.name)
            if upload is None:  # nobody can complete it
                with suppress(FileNotFoundError, NotADirectoryError):
                    self._end(folder.name)
                continue
            with suppress(NoSuchUpload), self._locked(upload):
                if self._is_old(folder):
                    self._end(upload.id)

    def _is_old(self, folder: Path) -> bool:
        try:
            return time.time() - folder.stat().st_mtime > self._store.uploads_days * _DAY_S
        except FileNotFoundError:
            return False

    def find(self, id: str, key: str) -> Upload:
        """Return an upload.

        Raises
        ------
        NoSuchUpload
            If no upload of this key has this id.
        """
        found = self._read(id) if _ID.fullmatch(id) else None
        if found is None or found.key != key:
            raise NoSuchUpload("the upload does not exist; it may have been completed or aborted")
        return found

    def all(self) -> list[Upload]:
        """Return all uploads that have not ended, by key."""
        self.expire()
        found = (self._read(one.name) for one in self._folder.iterdir() if _ID.fullmatch(one.name))
        return sorted((one for one in found if one is not None), key=lambda one: (one.key, one.started))

    def put_part(self, upload: Upload, number: int, file: Path, md5: str) -> None:
        """Make a file, whose content is on the disk, a part; one of the same number is replaced."""
        if not 1 <= number <= MOST_PARTS:
            raise InvalidInput(f"parts have numbers from 1 to {MOST_PARTS}, not {number}")
        with self._store.waiting(), self._locked(upload):
            old = self._paths(upload).get(number)
            new = self._folder / upload.id / f"{number:05}.{md5}"
            file.rename(new)
            sync_folder(new.parent)
            if old is not None and old != new:
                old.unlink(missing_ok=True)

    def parts(self, upload: Upload) -> list[Part]:
        """Return the parts that are there, by number."""
        found = []
        for number, path in sorted(self._paths(upload).items()):
            status = path.stat()
            found.append(Part(number, path.name.partition(".")[2], status.st_size, status.st_mtime))
        return found

    def complete(self, upload: Upload, chosen: Sequence[tuple[int, str]], check: Check) -> str:
        """Make the parts an object; return its ETag, without quotes.

        Parameters
        ----------
        upload : Upload
            The upload, which ends.
        chosen : sequence of (int, str)
            Number and MD5 of each part.
        check : function
            Raises unless the object may be replaced.

        Raises
        ------
        InvalidPart, InvalidPartOrder, PartTooSmall
            If these cannot be the parts of an object; the upload does not end.
        """
        with self._store.waiting(), self._locked(upload):
            paths = self._paths(upload)
            files = self._chosen(paths, chosen)
            digests = b"".join(bytes.fromhex(file.name.partition(".")[2]) for file in files)
            etag = f"{hashlib.md5(digests, usedforsecurity=False).hexdigest()}-{len(files)}"
            whole = self._store.new_file()
            try:
                _join(files, whole)
                self._store.put(upload.key, whole, Properties(etag, *_rest(upload.properties)), check)
            finally:
                whole.unlink(missing_ok=True)
            self._end(upload.id)
        return etag

    def abort(self, upload: Upload) -> None:
        """End an upload, and remove its parts."""
        with self._store.waiting(), self._locked(upload):
            self._end(upload.id)

    def _end(self, id: str) -> None:
        """Remove an upload, which at no time is there without some of its files."""
        ended = self._store.new_file()
        (self._folder / id).rename(ended)
        shutil.rmtree(ended)

    def _chosen(self, paths: dict[int, Path], chosen: Sequence[tuple[int, str]]) -> list[Path]:
        if not chosen:
            raise InvalidPart("no parts are named")
        numbers = [number for number, _ in chosen]
        if any(one >= other for one, other in itertools.pairwise(numbers)):
            raise InvalidPartOrder("the parts are not named in the order of their numbers")
        for number, md5 in chosen:
            if number not in paths or not paths[number].name.endswith(f".{md5}"):
                raise InvalidPart(f"part {number} is not there, or has another ETag")
        files = [paths[number] for number in numbers]
        for number, file in zip(numbers[:-1], files[:-1], strict=True):
            if file.stat().st_size < LEAST_PART_BYTES:
                raise PartTooSmall(f"part {number} has less than {LEAST_PART_BYTES} bytes, and is not the last")
        return files

    def _paths(self, upload: Upload) -> dict[int, Path]:
        matches = ((path, _PART.fullmatch(path.name)) for path in (self._folder / upload.id).iterdir())
        return {int(match[1]): path for path, match in matches if match is not None}

    def _read(self, id: str) -> Upload | None:
        """Return an upload; None if there is none, or its record cannot be read."""
        record = self._folder / id / _RECORD
        try:
            values = json.loads(record.read_bytes())
            return Upload(**{**values, "properties": Properties(**values["properties"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
            _LOG.warning("the record %s of an upload cannot be read; the upload does not exist: %s", record, error)
            return None

    @contextmanager
    def _locked(self, upload: Upload) -> Iterator[None]:
        """Hold an upload against other requests, of all processes.

        Raises
        ------
        NoSuchUpload
            If it has ended.
        """
        with ExitStack() as stack:
            try:
                stack.enter_context(locked_file(self._folder / upload.id / _LOCK))
            except FileNotFoundError as error:
                raise NoSuchUpload("the upload has ended") from error
            if self._read(upload.id) is None:
                raise NoSuchUpload("the upload has ended")
            yield


def _rest(properties: Properties) -> tuple[str, dict[str, str]]:
    return properties.media_type, dict(properties.headers)


def _join(files: Sequence[Path], whole: Path) -> None:
    """Write the contents of files, one after the other, to a new file on the disk."""
    with whole.open("xb") as out:
        for file in files:
            with file.open("rb") as part:
                shutil.copyfileobj(part, out, 2**20)
        out.flush()
        os.fsync(out.fileno())
