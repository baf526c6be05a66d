"""Generation of a phantom, in memory or block by block in a folder."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_function, require_path, require_voxels
from voxome.contracts.kinds import Rows
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.uri import Location
from voxome.data.phantom.pieces import Pieces
from voxome.data.phantom.render import render
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.synapses import Site
from voxome.data.phantom.truth import CONNECTOME_COLUMNS, SYNAPSE_COLUMNS, synapse_rows
from voxome.errors import AlreadyExists
from voxome.geometry import Block, BlockGrid
from voxome.resources.folders import require_outside_volumes
from voxome.resources.open import create
from voxome.resources.table import write_table
from voxome.resources.volume import Volume

CHUNK = (64, 64, 64)
_PROVISIONAL = ".provisional.zarr"
"""Labels before they are numbered."""


@dataclass(frozen=True)
class PhantomFiles:
    """A phantom and its ground truth, as files.

    Attributes
    ----------
    raw, labels, membranes : path
        Image, neurons (numbered from 1), and membranes: OME-Zarr.
    synapses, connectome : path
        Parquet tables.
    """

    raw: Path
    labels: Path
    membranes: Path
    synapses: Path
    connectome: Path

    @classmethod
    def within(cls, folder: Path) -> PhantomFiles:
        """Return the files of the phantom in a folder."""
        volumes = (folder / f"{name}.zarr" for name in ("raw", "labels", "membranes"))
        return cls(*volumes, *(folder / f"{name}.parquet" for name in ("synapses", "connectome")))


Progress = Callable[[int, int], None]
"""Function called with the number of blocks done and their total."""


def _silent(done: int, total: int) -> None:
    """Report no progress."""


@explain_calls
def phantom(
    folder: Location, *, shape: Sequence[int] = (128, 128, 128), seed: int = 0, progress: Progress = _silent
) -> PhantomFiles:
    """Generate a neuropil phantom with ground truth.

    Parameters
    ----------
    folder : path
        Output folder, created if missing.
    shape : (z, y, x)
        Shape in voxels, each 10 nm long.
    seed : int
        Random seed; the same seed gives the same phantom.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    PhantomFiles
        Paths of image, labels, membranes, synapses and connectome.

    Raises
    ------
    InvalidInput
        If an argument is invalid, or the folder is inside a volume.
    AlreadyExists
        If the folder contains any of these.
    """
    spec = PhantomSpec(require_voxels("shape", shape), require_count("seed", seed, 0))
    target = require_outside_volumes(Path(require_path("folder", folder)))
    require_function("progress", progress)
    write_phantom(target, spec, progress=progress)
    return PhantomFiles.within(target)


def phantom_arrays(
    shape: tuple[int, int, int], seed: int = 0, **options: Any
) -> tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint8], Rows]:
    """Generate a small phantom in memory.

    Parameters
    ----------
    shape : (z, y, x)
        Shape in voxels.
    seed : int
        Random seed; the same seed gives the same phantom.
    **options
        Other fields of `PhantomSpec`.

    Returns
    -------
    raw, labels, membranes : arrays (z, y, x) of uint8, uint64, uint8
        Image; neurons numbered from 1, with 0 for small pieces; membranes (255).
    synapses : mapping of column to array
        Columns as in ``synapses.parquet``.
    """
    spec = PhantomSpec(shape, seed, **options)
    block = Block(0, spec.domain, spec.domain)
    rendered = render(spec, spec.domain)
    pieces = Pieces(spec.domain)
    provisional = pieces.add(block, rendered.keys)
    labels = pieces.numbers()[provisional]
    synapses, _ = synapse_rows(
        spec, _sites_in(spec, block, rendered.sites), lambda box: labels[box.within(spec.domain)]
    )
    return rendered.raw, labels, rendered.membranes, synapses


def write_phantom(
    folder: str | Path,
    spec: PhantomSpec,
    block: tuple[int, int, int] = (128, 128, 128),
    progress: Progress = _silent,
) -> None:
    """Write ``raw.zarr``, ``labels.zarr``, ``membranes.zarr``, ``synapses.parquet`` and ``connectome.parquet``.

    What was written is removed if it is not completed.

    Parameters
    ----------
    folder : path
        Output folder, created if missing.
    spec : PhantomSpec
        Phantom.
    block : (z, y, x)
        Voxels generated at a time, without effect on the result.
    progress : callable
        Called with the number of blocks done and their total.

    Raises
    ------
    AlreadyExists
        If the folder contains any of these.
    """
    target = Path(folder)
    _refuse_existing(target)
    with _removed_on_failure(target):
        _write(target, spec, block, progress)


def _write(target: Path, spec: PhantomSpec, block: tuple[int, int, int], progress: Progress) -> None:
    aligned = tuple(math.ceil(n / c) * c for n, c in zip(block, CHUNK, strict=True))
    grid = BlockGrid(spec.domain, aligned)
    hidden = target / _PROVISIONAL
    shutil.rmtree(hidden, ignore_errors=True)
    raw = _array(spec, target / "raw.zarr", "uint8", "image")
    membranes = _array(spec, target / "membranes.zarr", "uint8", "probability")
    provisional = _array(spec, hidden, "uint64", "labels")
    pieces = Pieces(spec.domain)
    sites: list[Site] = []
    for done, tile in enumerate(grid, 1):
        rendered = render(spec, tile.write)
        raw.paste(tile.write, rendered.raw)
        membranes.paste(tile.write, rendered.membranes)
        numbered = pieces.add(tile, rendered.keys)
        provisional.paste(tile.write, numbered)
        pieces.join(tile, numbered, provisional.cutout)
        sites += _sites_in(spec, tile, rendered.sites)
        progress(done, 2 * len(grid))
    labels = _array(spec, target / "labels.zarr", "uint64", "labels")
    numbers = pieces.numbers()
    for done, tile in enumerate(grid, len(grid) + 1):
        labels.paste(tile.write, numbers[provisional.cutout(tile.write)])
        progress(done, 2 * len(grid))
    shutil.rmtree(hidden)
    synapses, connectome = synapse_rows(spec, sites, labels.cutout)
    write_table(target / "synapses.parquet", synapses, SYNAPSE_COLUMNS)
    write_table(target / "connectome.parquet", connectome, CONNECTOME_COLUMNS)


@contextmanager
def _removed_on_failure(folder: Path) -> Iterator[None]:
    """Create a folder; remove what a phantom has written to it if the body of the ``with`` statement fails."""
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException as error:
        for path in (*astuple(PhantomFiles.within(folder)), folder / _PROVISIONAL):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
        if new and not any(folder.iterdir()):
            folder.rmdir()
        error.add_note(f"what was written to {folder} was removed")
        raise


def _refuse_existing(folder: Path) -> None:
    old = [path.name for path in astuple(PhantomFiles.within(folder)) if path.exists()]
    if old:
        raise AlreadyExists(f"{folder} already contains {', '.join(old)}; remove them, or choose another folder")


def _array(spec: PhantomSpec, path: Path, dtype: str, kind: Any) -> Volume:
    volume_spec = VolumeSpec.of(spec.shape, dtype, chunk=CHUNK, kind=kind, voxel_size_nm=spec.voxel_size_nm)
    return create(f"zarr://{path}", volume_spec)


def _sites_in(spec: PhantomSpec, block: Block, sites: list[Site]) -> list[Site]:
    """Return the sites whose centre is in a block."""
    return [
        site
        for site in sites
        if tuple(math.floor(c / v) for c, v in zip(site.centre_nm, spec.voxel_size_nm, strict=True)) in block.write
    ]
