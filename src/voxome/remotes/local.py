"""What the remotes of local files have in common: paths, versions, checks, replacing a file whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.volume import Mode, Version, VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, ReadOnly, StoreError, UnsupportedFormat, VoxomeError
from voxome.geometry import Box
from voxome.geometry.axes import default_axes


def local_path(path: str) -> Path:
    """`path` on this machine, whole and without ``..``; ``~`` is the home folder."""
    found = Path(path).expanduser().absolute()
    return found.resolve() if ".." in found.parts else found


def hint(*paths: Path) -> Version:
    """The sizes and times of change of some files: they may change under us, so nothing is pinned."""
    states = [f"{path.name}:{(s := path.stat()).st_ino}:{s.st_size}:{s.st_mtime_ns}" for path in paths]
    return Version(hashlib.sha256("\n".join(states).encode()).hexdigest()[:16], pinned=False)


def hand_over(data: NDArray[Any], dtype: np.dtype[Any], out: NDArray[Any] | None) -> NDArray[Any]:
    """`data` in `out`, or as an array of `dtype` of the caller's own."""
    if out is None:
        return np.array(data, dtype=dtype, order="C")
    out[...] = data
    return out


def target(name: str, mode: Mode, box: Box, data: NDArray[Any], domain: Box) -> tuple[slice, ...]:
    """The slices of an array over `domain` that writing `data` to `box` fills.

    Raises
    ------
    ReadOnly
        If `mode` is ``"r"``.
    InvalidBox
        If the box leaves the domain, or the data are of another shape.
    """
    if mode == "r":
        raise ReadOnly(f"{name} is open for reading; open it with mode='r+'")
    if data.shape != box.shape:
        raise InvalidBox(f"data of shape {data.shape} do not fill the box {box} of shape {box.shape}")
    return box.within(domain)


def refuse_what_is_lost(what: str, spec: VolumeSpec, *fields: str) -> None:
    """Refuse a spec that says in `fields` what the format has no place for; starts other than 0 always.

    Raises
    ------
    UnsupportedFormat
        Naming all of them.
    """
    plain = {"offset_nm": (0.0, 0.0, 0.0), "attributes": {}, "axes": default_axes(spec.domain.ndim)}
    lost = [f"{name} {getattr(spec, name)}" for name in fields if getattr(spec, name) != plain.get(name)]
    if any(spec.domain.start):
        lost.append(f"a domain that starts at {spec.domain.start}")
    if lost:
        raise UnsupportedFormat(
            f"{what} has no place for {', nor for '.join(lost)}: leave that out, or write zarr, which has"
        )


def refuse_options(what: str, spec: VolumeSpec, known: Iterable[str]) -> dict[str, Any]:
    """The options of ``spec.encoding``.

    Raises
    ------
    InvalidInput
        If there is one that is not `known`.
    """
    options, names = dict(spec.encoding or {}), sorted(known)
    if foreign := sorted(set(options) - set(names)):
        raise InvalidInput(f"{what} has no encoding option {', '.join(foreign)}; known: {', '.join(names) or 'none'}")
    return options


@contextmanager
def storing(path: Path) -> Iterator[None]:
    """Turn what the disk says while `path` is written into a StoreError."""
    try:
        yield
    except VoxomeError:
        raise
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror or error}") from error


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; at the end it takes the place of `path` at once, or is removed on error."""
    beside = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.part")
    with storing(path):
        try:
            yield beside
            beside.replace(path)
        finally:
            beside.unlink(missing_ok=True)


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: memoryview, /) -> int: ...


def write_blank(file: Sink, spec: VolumeSpec) -> None:
    """All voxels of `spec` as its fill, to the last byte, so that a full disk shows now."""
    piece = np.full(1 << 20, spec.fill, spec.dtype)
    whole, rest = divmod(spec.domain.size, piece.size)
    for _ in range(whole):
        file.write(piece.data)
    file.write(piece[:rest].data)
