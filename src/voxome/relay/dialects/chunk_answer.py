"""The answer with the file of a chunk, which is read and encoded when its content is needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray
from starlette.responses import Response

from voxome.contracts.volume_files import ChunkFile, VolumeFiles
from voxome.errors import InvalidInput
from voxome.relay.files import FileAnswer
from voxome.relay.permitted import PermittedSources
from voxome.relay.source_errors import SourceUnavailable


@dataclass(frozen=True)
class ChunkAnswer:
    """The file of a chunk.

    Attributes
    ----------
    sources : PermittedSources
        By which it is read.
    name : str
        Name of the source.
    files : VolumeFiles
        All files of the source.
    chunk : ChunkFile
        The chunk.
    keep : function or None
        Gets the voxels and the file once they are read.
    media_type : str
        Its type.
    immutable : bool
        Whether its URL has a version, so that caches may keep it without a question.
    """

    sources: PermittedSources
    name: str
    files: VolumeFiles
    chunk: ChunkFile
    keep: Callable[[NDArray[Any], FileAnswer], None] | None = None
    media_type: str = "application/octet-stream"
    immutable: bool = False
    _files: list[FileAnswer] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def content(self) -> bytes | bytearray | memoryview:
        """All of it.

        Raises
        ------
        AccessDenied
            If the caller may not read the source.
        SourceUnavailable
            If the store behind it fails.
        """
        return self._file.content

    @property
    def etag(self) -> str:
        """Validator, with quotes: the MD5 of the content."""
        return self._file.etag

    @property
    def known_etag(self) -> str | None:
        """The validator, if no store has to be read for it; else None."""
        if self.files.size(self.chunk) is None:
            return self.etag  # the content is needed for its size
        file = self._encoded(self.sources.read_at_hand)
        return None if file is None else file.etag

    @property
    def size(self) -> int:
        """Number of bytes; the voxels are read only where it depends on them."""
        size = self.files.size(self.chunk)
        return self._file.size if size is None else size

    def respond(self, part: range, status: int, headers: Mapping[str, str]) -> Response:
        """Return the response with a part of the content."""
        return self._file.respond(part, status, headers)

    @property
    def _file(self) -> FileAnswer:
        """The file, read once; `cached_property` would let all chunks of a process wait for one (Python 3.11)."""
        if not self._files:
            file = self._encoded(self.sources.read)
            assert file is not None
            self._files.append(file)
        return self._files[0]

    def _encoded(self, read: Callable[..., NDArray[Any] | None]) -> FileAnswer | None:
        try:
            voxels = read(self.name, self.chunk.box, level=self.chunk.level)
            if voxels is None:
                return None
            file = FileAnswer(self.files.encode(self.chunk, voxels), self.media_type)
        except InvalidInput as error:  # the box is not the caller's choice
            raise SourceUnavailable(f"the source {self.name} cannot be read; see the log of the server") from error
        if self.keep is not None:
            self.keep(voxels, file)
        return file
