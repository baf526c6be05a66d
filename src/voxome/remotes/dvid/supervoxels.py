"""Tarsupervoxels instances: one file a supervoxel, given out by body."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.instance import Instance, as_labels, is_absent
from voxome.remotes.dvid.parsing import flags

BATCH = 10_000
"""Supervoxels asked for at once."""
_MISSING = ".missing"


class SupervoxelFiles(Instance):
    """Files of supervoxels, such as meshes; synced with labels, they are found by body as well."""

    def get(self, supervoxel: int) -> bytes:
        """The file of a supervoxel.

        Raises
        ------
        NotFound
            If it has none.
        """
        try:
            return self._get("supervoxel", *as_labels([supervoxel]))
        except NotFound as error:
            if not is_absent(error):
                raise
            raise NotFound(f"supervoxel {supervoxel} has no file in {self.name}") from None

    def put(self, supervoxel: int, data: bytes) -> None:
        """Store the file of a supervoxel."""
        self._post("supervoxel", *as_labels([supervoxel]), content=data, idempotent=True)

    def exist(self, supervoxels: Iterable[int]) -> NDArray[np.bool_]:
        """Whether each supervoxel has a file."""

        def ask(part: list[int]) -> list[bool]:
            return self._asked("exists", body=part, read=flags)

        parts = self._each(ask, as_labels(supervoxels).tolist(), BATCH)
        return np.array([there for part in parts for there in part], np.bool_)

    def missing(self, body: int) -> list[int]:
        """The supervoxels of a body that have no file, sorted."""
        return self._json("missing", *as_labels([body]), read=lambda said: sorted(map(int, said or [])))

    def of_body(self, body: int) -> dict[str, bytes]:
        """The files of a body's supervoxels, by name, as ``"1004.drc"``; `missing` tells which have none.

        Raises
        ------
        NotFound
            If there is no such body.
        CorruptData
            If the archive cannot be read.
        """
        try:
            data = self._get("tarfile", *as_labels([body]))
        except InvalidInput as error:
            if "has no supervoxels" not in str(error):
                raise
            raise NotFound(f"there is no body {body} for {self.name}") from None
        return read_tar(data, f"{self.name}: files of body {body}")


def read_tar(data: bytes, what: str) -> dict[str, bytes]:
    """The files of an archive by name, but for those that end in ``.missing``: DVID puts them in for what is not there.

    Raises
    ------
    CorruptData
        If it cannot be read; the text begins with `what`.
    """
    files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            for member in archive:
                content = archive.extractfile(member)
                if content and not member.name.endswith(_MISSING):
                    files[member.name] = content.read()
    except (tarfile.TarError, EOFError) as error:
        raise CorruptData(f"{what}: no archive of files: {error}") from error
    return files
