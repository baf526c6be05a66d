"""Writes to the files of a source: chunks are decoded and written, descriptions of the volume stay as they are."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.datastructures import Headers

from voxome.contracts.volume_files import ChunkFile, VolumeFiles
from voxome.errors import AlreadyExists, InvalidInput
from voxome.relay.codings import decode_content
from voxome.relay.files import FileAnswer, check_write
from voxome.relay.permitted import PermittedSources

_SLACK = 2**16
"""Bytes beyond the longest content that are read, so that a client learns what is wrong with it."""
_COPY = "consolidated_metadata"
"""Member of a description that only repeats others, and that clients leave out."""


@dataclass(frozen=True)
class WritableFile:
    """A file of a source that the caller may write.

    Attributes
    ----------
    sources : PermittedSources
        By which it is written.
    name, path : str
        The source, and the path of the file in it.
    files : VolumeFiles
        All files of the source.
    chunk : ChunkFile or None
        The chunk that it is.
    description : bytes
        Its content, if it is no chunk.
    """

    sources: PermittedSources
    name: str
    path: str
    files: VolumeFiles
    chunk: ChunkFile | None
    description: bytes = b""

    @property
    def most_bytes(self) -> int:
        """Bytes of the longest content."""
        return 2 * len(self.description) if self.chunk is None else self.files.most_bytes(self.chunk)

    @property
    def most_body_bytes(self) -> int:
        """Bytes of the longest body that is worth reading: codings may make a body longer than its content."""
        return self.most_bytes + self.most_bytes // 1000 + _SLACK

    def put(self, body: bytes | bytearray | memoryview, headers: Mapping[str, str]) -> FileAnswer:
        """Write the file; return it as it is read from now on.

        A description that equals that of the volume changes nothing.

        Parameters
        ----------
        body : bytes-like
            Its content, coded as `headers` say.
        headers : mapping
            ``content-encoding`` and the conditions ``if-match`` and ``if-none-match``, where there are any.

        Raises
        ------
        InvalidInput
            If the content is not a file of this chunk; nothing is written.
        AlreadyExists
            If it describes another volume.
        PreconditionFailed
            If the conditions do not hold.
        """
        content = decode_content(body, headers.get("content-encoding", ""), self.most_bytes + _SLACK)
        if self.chunk is None:
            self._check(headers)
            if _parse(bytes(content)) != _parse(self.description):
                raise AlreadyExists(
                    f"{self.name} is served with other metadata than this {self.path}, and they cannot be changed; "
                    "write chunks as they say, or create an array under another name"
                )
            return FileAnswer(self.description)
        voxels = self.files.decode(self.chunk, content)
        self._write(voxels, headers)
        return FileAnswer(self.files.encode(self.chunk, voxels))

    def delete(self, headers: Mapping[str, str]) -> None:
        """Write the fill value to the chunk, which is what readers take a missing one for.

        Raises
        ------
        AlreadyExists
            If it is a description of the volume.
        PreconditionFailed
            If the conditions do not hold.
        """
        if self.chunk is None:
            raise AlreadyExists(f"{self.path} describes {self.name}, which cannot be deleted; only its chunks can")
        spec = self.sources.spec(self.name, level=self.chunk.level)
        self._write(np.full(self.chunk.box.shape, spec.fill, spec.dtype), headers)

    def _write(self, voxels: np.ndarray[Any, Any], headers: Mapping[str, str]) -> None:
        chunk = self.chunk
        assert chunk is not None
        conditional = {"if-match", "if-none-match"} & {name.lower() for name in headers}
        self.sources.write(
            self.name,
            chunk.box,
            voxels,
            level=chunk.level,
            check=(lambda: self._check(headers)) if conditional else None,
        )

    def _check(self, headers: Mapping[str, str]) -> None:
        check_write(Headers(headers), self._etag)

    def _etag(self) -> str:
        if self.chunk is None:
            return FileAnswer(self.description).etag
        voxels = self.sources.read(self.name, self.chunk.box, level=self.chunk.level)
        return FileAnswer(self.files.encode(self.chunk, voxels)).etag


def _parse(text: bytes) -> Any:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput("the metadata are not JSON") from error
    return {key: value for key, value in document.items() if key != _COPY} if isinstance(document, dict) else document
