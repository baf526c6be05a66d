"""A dialect whose URLs are the files of a format: ``PREFIX/NAME/PATH``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, overload

from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from voxome.contracts.abilities import ability
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.volume_files import ChunkFile, SupportsVolumeFiles, VolumeFiles
from voxome.errors import InvalidInput, NotFound, UnsupportedFormat
from voxome.registry import load
from voxome.relay.accounts import PUBLIC, Caller
from voxome.relay.dialects.chunk_answer import ChunkAnswer
from voxome.relay.dialects.chunks import MOST_BYTES, served_chunk
from voxome.relay.dialects.file_writes import WritableFile
from voxome.relay.files import FileAnswer, file_response
from voxome.relay.http import endpoint, identify
from voxome.relay.permitted import PermittedSources
from voxome.relay.relay import Relay
from voxome.relay.request_errors import NOT_KEPT
from voxome.relay.source_names import split_version

JSON = "application/json"
"""Media type of metadata."""
_OF_BODIES = frozenset({b"content-length", b"transfer-encoding"})
_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"range", b"if-range"})


class _Levels(Sequence[VolumeSpec]):
    """Specs of the levels of a source, each found when it is needed: a level that fails does not concern the others."""

    def __init__(self, count: int, spec_of: Callable[[int], VolumeSpec]) -> None:
        self._count, self._spec_of = count, spec_of
        self._specs: dict[int, VolumeSpec] = {}

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> VolumeSpec: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[VolumeSpec]: ...

    def __getitem__(self, index: int | slice) -> VolumeSpec | Sequence[VolumeSpec]:
        if isinstance(index, slice):
            return [self[n] for n in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        if index not in self._specs:
            self._specs[index] = self._spec_of(index)
        return self._specs[index]


class VolumeFilesDialect:
    """Sources as the files of a format; chunks can be written and deleted where the caller may write the source.

    Which files a volume has is known to the remote of the format. Nothing but those files has a URL: all others, those
    of other versions of the format too, get status 404.

    Parameters
    ----------
    relay : Relay
        Provides the sources and accounts.
    prefix : str
        First part of its URLs, such as ``/zarr``.
    scheme : str
        Scheme of the remote.
    encoding : mapping, optional
        Options of the format.
    together : collection of str
        Axes that no chunk of the format divides.

    Attributes
    ----------
    prefix : str
        The prefix.
    """

    def __init__(
        self,
        relay: Relay,
        prefix: str,
        scheme: str,
        *,
        encoding: Mapping[str, Any] | None = None,
        together: Collection[str] = (),
    ) -> None:
        self.prefix = prefix
        self._relay, self._encoding, self._together = relay, encoding, together
        format = ability(load("voxome.remotes", scheme)(), SupportsVolumeFiles)
        if format is None:
            raise UnsupportedFormat(f"the remote {scheme} has no files of volumes that could be served")
        self._format = format

    def routes(self) -> Sequence[BaseRoute]:
        """Return the routes: every file below the prefix."""
        path, largest = f"{self.prefix}/{{path:path}}", 2 * self._relay.largest_cutout_bytes
        return [
            Route(path, endpoint(self._relay, 0, self._answer), methods=["GET"]),
            Route(path, endpoint(self._relay, largest, self._put, self._permit), methods=["PUT"]),
            Route(path, endpoint(self._relay, 0, self._delete, self._permit), methods=["DELETE"]),
        ]

    def close(self) -> None:
        """Do nothing: no work is left in the background."""

    def addresses(self, name: str) -> Mapping[str, str]:
        """Return the address of a source."""
        return {self.prefix.strip("/"): f"{self.prefix.strip('/')}/{name}"}

    async def ready(self, request: Request) -> Response | None:
        """Return the answer to a request of a chunk that is in memory; None if it is not, or is not permitted."""
        path, kept_files = request.scope["path"], self._relay.sources.kept_files
        names = {name for name, _ in request.scope["headers"]}
        if path not in kept_files or not names.isdisjoint(_OF_BODIES):
            return None
        try:
            caller = await identify(request, self._relay.accounts, self._relay.threads)
        except Exception:  # which the route answers
            return None
        kept = kept_files.read(path, caller)
        if kept is None:
            return None
        if names.isdisjoint(_CONDITIONS):
            return kept.response
        public = PUBLIC in self._relay.sources.rights(kept.source).readers
        return file_response(request, kept.answer, public=public)

    def _answer(self, request: Request, caller: Caller, body: bytearray) -> Response:
        sources = PermittedSources(self._relay.sources, caller)
        name, file = self.find(sources, request.path_params["path"])
        pinned = split_version(name)[1] is not None
        served = replace(file, immutable=True) if pinned else file
        return file_response(request, served, public=PUBLIC in sources.rights(name).readers)

    def _permit(self, request: Request, caller: Caller) -> int:
        return self._requested(request, caller).most_body_bytes

    def _put(self, request: Request, caller: Caller, body: bytearray) -> Response:
        file = self._requested(request, caller).put(body, request.headers)
        return Response(status_code=204, headers={"ETag": file.etag, **NOT_KEPT})

    def _delete(self, request: Request, caller: Caller, body: bytearray) -> Response:
        self._requested(request, caller).delete(request.headers)
        return Response(status_code=204, headers=NOT_KEPT)

    def _requested(self, request: Request, caller: Caller) -> WritableFile:
        return self.writable(PermittedSources(self._relay.sources, caller), request.path_params["path"])

    def writable(self, sources: PermittedSources, path: str) -> WritableFile:
        """Return the file ``NAME/PATH``, to write it.

        Raises
        ------
        NotFound
            If there is no such file, and could not be one.
        ReadOnly, AccessDenied
            If the source cannot be written, or not by this caller.
        SourceUnavailable
            If the store behind it fails.
        """
        for name, rest in self._names(sources, path):
            sources.require_write(name)
            files = self.files(sources, name)
            chunk = files.find(rest)
            description = b"" if chunk is not None else self._description(sources, name, rest)
            if description is not None:
                return WritableFile(sources, name, rest, files, chunk, description)
        raise NotFound(f"there is no {self.prefix}/{path}: only chunks of volumes and their metadata can be written")

    def find(self, sources: PermittedSources, path: str) -> tuple[str, FileAnswer | ChunkAnswer]:
        """Return the file ``NAME/PATH``, with the name of its source; a chunk is read when its content is needed.

        Raises
        ------
        NotFound
            If there is no such file.
        AccessDenied
            If the caller may not read it.
        SourceUnavailable
            If the store behind the source fails.
        """
        for name, rest in self._names(sources, path):
            sources.rights(name)
            file = self.file(sources, name, rest)
            if file is not None:
                return name, file
        raise NotFound(f"there is no {self.prefix}/{path}{self._hint(sources, path.rstrip('/'))}")

    def _hint(self, sources: PermittedSources, name: str) -> str:
        """Return what to read of a source whose own name was requested, which is no file; else no text."""
        if not self.prefix or name not in self._relay.sources:
            return ""
        sources.rights(name)
        metadata = next(iter(self.files(sources, name).metadata()))
        return f", as a volume is no file; read {self.prefix}/{name}/{metadata}"

    def _names(self, sources: PermittedSources, path: str) -> Iterator[tuple[str, str]]:
        """Yield the sources whose names begin a path, the longest first, and what follows.

        Raises
        ------
        AccessDenied
            If the path is in a store that the caller may not use.
        """
        sources.require_store(path)
        parts = path.split("/")
        for count in range(len(parts) - 1, 0, -1):
            name = "/".join(parts[:count])
            if name in self._relay.sources:
                yield name, "/".join(parts[count:])

    def file(self, sources: PermittedSources, name: str, path: str) -> FileAnswer | ChunkAnswer | None:
        """Return the file `path` of a source; None if it has none.

        Raises
        ------
        NotFound
            If the format has no such volumes; the message says why.
        SourceUnavailable
            If the store behind it fails.
        """
        files = self.files(sources, name)
        chunk = files.find(path)
        if chunk is not None:
            keep = partial(self._keep, name, path, chunk) if self.prefix else None
            return ChunkAnswer(sources, name, files, chunk, keep)
        content = self._description(sources, name, path)
        return None if content is None else FileAnswer(content, JSON)

    def _description(self, sources: PermittedSources, name: str, path: str) -> bytes | None:
        """Return the file `path` of the metadata of a source; None if it has none."""
        levels = self._levels(sources, name)
        described = levels[0].replace(attributes=self.attributes(sources, name))
        try:
            return self._format.volume_files([described, *levels[1:]], name).metadata().get(path)
        except (UnsupportedFormat, InvalidInput) as error:
            raise NotFound(str(error)) from error

    def files(self, sources: PermittedSources, name: str) -> VolumeFiles:
        """Return all files of a source.

        Raises
        ------
        NotFound
            If the format has no such volumes; the message says why.
        SourceUnavailable
            If the store behind it fails.
        """
        try:
            return self._format.volume_files(self._levels(sources, name), name)
        except (UnsupportedFormat, InvalidInput) as error:
            raise NotFound(str(error)) from error

    def attributes(self, sources: PermittedSources, name: str) -> Mapping[str, Any]:
        """Return attributes of a source that its metadata name; none by default."""
        return {}

    def _levels(self, sources: PermittedSources, name: str) -> Sequence[VolumeSpec]:
        return _Levels(sources.level_count(name), lambda level: self._served(sources.spec(name, level=level)))

    def _served(self, spec: VolumeSpec) -> VolumeSpec:
        most = min(MOST_BYTES, self._relay.largest_cutout_bytes)
        chunk = served_chunk(spec, together=self._together, most_bytes=most)
        return spec.replace(read_chunk=chunk, write_chunk=chunk, encoding=self._encoding, attributes={})

    def _keep(self, name: str, path: str, chunk: ChunkFile, voxels: NDArray[Any], file: FileAnswer) -> None:
        """Keep the file of a chunk; a dialect without a prefix has its files under other paths of another API."""
        url = f"{self.prefix}/{name}/{path}"
        self._relay.sources.kept_files.keep(url, name, chunk.level, chunk.box, voxels, file, file.content)
