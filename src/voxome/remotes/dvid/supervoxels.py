"""Tarsupervoxels instances: one file per supervoxel, downloaded by body."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import Instance, as_labels, is_absent
from voxome.remotes.dvid.parsing import parse_bools

BATCH = 10_000
"""Number of supervoxels per request."""
_MISSING = ".missing"


class SupervoxelFiles(Instance):
    """Files of supervoxels, such as meshes; if synced with labels, they can be downloaded by body."""

    def get(self, supervoxel: int) -> bytes:
        """Return the file of a supervoxel.

        Raises
        ------
        NotFound
            If the supervoxel has none.
        """
        try:
            return self._get("supervoxel", *as_labels([supervoxel]))
        except NotFound as error:
            if not is_absent(error):
                raise
            raise NotFound(f"no file of supervoxel {supervoxel} in {self.name}") from None

    def put(self, supervoxel: int, data: bytes) -> None:
        """Store the file of a supervoxel."""
        self._post("supervoxel", *as_labels([supervoxel]), content=data, idempotent=True)

    def exist(self, supervoxels: Iterable[int]) -> NDArray[np.bool_]:
        """Return whether each supervoxel has a file."""

        def request(batch: list[int]) -> list[bool]:
            return self._query_json("exists", body=batch, parse=parse_bools)

        parts = self._in_batches(request, as_labels(supervoxels).tolist(), BATCH)
        return np.array([exists for part in parts for exists in part], np.bool_)

    def missing(self, body: int) -> list[int]:
        """Return the supervoxels of a body without a file, sorted."""
        return self._get_json("missing", *as_labels([body]), parse=lambda reply: sorted(map(int, reply or [])))

    def by_body(self, body: int) -> dict[str, bytes]:
        """Return the files of a body's supervoxels by name, such as ``"1004.drc"``; `missing` lists those without one.

        Raises
        ------
        NotFound
            If the body does not exist.
        CorruptData
            If the archive cannot be read.
        """
        try:
            data = self._get("tarfile", *as_labels([body]))
        except InvalidInput as error:
            if "has no supervoxels" not in str(error):
                raise
            raise NotFound(f"no body {body} in the labels of {self.name}") from None
        return read_tar(data, f"{self.name}: files of body {body}")


def read_tar(data: bytes, what: str) -> dict[str, bytes]:
    """Return the files of an archive by name, without ``*.missing``, DVID's placeholders for missing files.

    Raises
    ------
    CorruptData
        If it cannot be read; the message begins with `what`.
    """
    files, room = {}, len(data)
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                room -= member.size
                if room < 0 or member.islnk() or member.issym():  # sparse files and links would multiply the bytes
                    raise CorruptData(f"{what}: {member.name} is a link, or has more bytes than the archive")
                content = archive.extractfile(member)
                if content and not member.name.endswith(_MISSING):
                    files[member.name] = content.read()
    except CorruptData:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError) as error:
        raise CorruptData(f"{what}: not a tar archive: {error}") from error
    return files
