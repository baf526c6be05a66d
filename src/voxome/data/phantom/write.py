"""Generation of a phantom, in memory or block by block in a folder."""

from __future__ import annotations

import math
import shutil
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.contracts.spec import VolumeSpec
from voxome.data.outputs import CHUNK, Progress, removed_on_failure, require_new, silent
from voxome.data.phantom.pieces import Pieces
from voxome.data.phantom.render import render
from voxome.data.phantom.spec import PhantomSpec
from voxome.data.phantom.synapses import Site
from voxome.data.phantom.truth import CONNECTOME_COLUMNS, SYNAPSE_COLUMNS, synapse_rows
from voxome.geometry import Block, BlockGrid
from voxome.resources.create import create
from voxome.resources.table import write_table
from voxome.resources.volume import Volume

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
    progress: Progress = silent,
) -> PhantomFiles:
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

    Returns
    -------
    PhantomFiles
        Paths of image, labels, membranes, synapses and connectome.

    Raises
    ------
    AlreadyExists
        If the folder contains any of these.
    """
    target = Path(folder)
    files = PhantomFiles.within(target)
    require_new(target, astuple(files))
    with removed_on_failure(target, (*astuple(files), target / _PROVISIONAL)):
        _write(target, spec, block, progress)
    return files


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
