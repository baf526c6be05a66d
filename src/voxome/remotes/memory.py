"""``memory://name``: arrays in the memory of this process, lost when it ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.provenance import Provenance
from voxome.contracts.source import Mode, ResourceInfo, Version
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.traits import FormatTraits
from voxome.contracts.uri import Uri
from voxome.errors import AlreadyExists, NotFound
from voxome.geometry import Box
from voxome.remotes.arrays import require_writable, writable_slices

_ARRAYS: dict[str, tuple[VolumeSpec, NDArray[Any]]] = {}
_PROVENANCE: dict[str, list[Provenance]] = {}


class MemorySource:
    """One array in memory."""

    concurrent_writers = False

    def __init__(self, name: str, mode: Mode) -> None:
        self._name, self._mode = name, mode
        self._data = _ARRAYS[name][1]

    @property
    def spec(self) -> VolumeSpec:
        return _ARRAYS[self._name][0]

    def read(self, box: Box, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        data = self._data[box.within(self.spec.domain)]
        if out is None:
            return data.copy()
        out[...] = data
        return out

    def write(self, box: Box, data: NDArray[Any]) -> None:
        slices = writable_slices(f"memory://{self._name}", self._mode, box, data, self.spec.domain)
        self._data[slices] = data

    def version(self) -> Version:
        return Version("memory", pinned=False)

    def update_attributes(self, changes: Mapping[str, Any]) -> None:
        self._require_writable()
        spec = self.spec
        _ARRAYS[self._name] = (spec.replace(attributes={**spec.attributes, **changes}), self._data)

    def read_provenance(self) -> tuple[Provenance, ...]:
        return tuple(_PROVENANCE.get(self._name, ()))

    def add_provenance(self, one: Provenance) -> None:
        self._require_writable()
        _PROVENANCE.setdefault(self._name, []).append(one)

    def _require_writable(self) -> None:
        require_writable(f"memory://{self._name}", self._mode)


class MemoryRemote:
    """Arrays in the memory of this process, by name."""

    uri_options = ()
    traits = FormatTraits(one_process=True)

    def open(self, uri: Uri, *, mode: Mode = "r") -> MemorySource:
        if uri.path not in _ARRAYS:
            raise NotFound(f"memory://{uri.path} does not exist in this process; create it with voxome.create")
        return MemorySource(uri.path, mode)

    def list(self, uri: Uri) -> Iterator[ResourceInfo]:
        for name, (spec, _) in sorted(_ARRAYS.items()):
            yield ResourceInfo.of_spec(f"memory://{name}", spec)

    def create(self, uri: Uri, spec: VolumeSpec) -> MemorySource:
        if uri.path in _ARRAYS:
            raise AlreadyExists(f"memory://{uri.path} exists; choose another name, or delete it")
        shape = spec.domain.shape
        data = np.full(shape, spec.fill, spec.dtype) if spec.fill else np.zeros(shape, spec.dtype)
        _ARRAYS[uri.path] = (spec, data)
        _PROVENANCE.pop(uri.path, None)
        return MemorySource(uri.path, "r+")

    def delete(self, uri: Uri) -> None:
        self.open(uri)
        del _ARRAYS[uri.path]
