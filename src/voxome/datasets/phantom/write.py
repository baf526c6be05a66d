"""Make a phantom: in memory, or in a folder and block by block."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.kinds import Rows
from voxome.contracts.spec import VolumeSpec
from voxome.datasets.phantom.pieces import Pieces
from voxome.datasets.phantom.render import render
from voxome.datasets.phantom.spec import PhantomSpec
from voxome.datasets.phantom.synapses import Site
from voxome.datasets.phantom.truth import CONNECTOME_COLUMNS, SYNAPSE_COLUMNS, synapse_rows
from voxome.errors import AlreadyExists
from voxome.geometry import Block, BlockGrid
from voxome.resources.open import create
from voxome.resources.table import write_table
from voxome.resources.volume import Volume

CHUNK = (64, 64, 64)


def phantom(
    shape: tuple[int, int, int], seed: int = 0, **options: Any
) -> tuple[NDArray[np.uint8], NDArray[np.uint64], NDArray[np.uint8], Rows]:
    """Make a small phantom in memory.

    Parameters
    ----------
    shape : (z, y, x)
        Voxels.
    seed : int
        The same seed makes the same phantom.
    **options
        Other fields of `PhantomSpec`.

    Returns
    -------
    raw, labels, membranes : arrays (z, y, x) of uint8, uint64, uint8
        The image; neurons 1 to N, 0 for pieces too small; 255 = membrane.
    synapses : mapping of column to array
        As in ``synapses.parquet``.
    """
    spec = PhantomSpec(shape, seed, **options)
    block = Block(0, spec.domain, spec.domain)
    made = render(spec, spec.domain)
    pieces = Pieces(spec.domain)
    provisional = pieces.add(block, made.keys)
    labels = pieces.numbers()[provisional]
    synapses, _ = synapse_rows(spec, _own(spec, block, made.sites), lambda box: labels[box.within(spec.domain)])
    return made.raw, labels, made.membranes, synapses


def write_phantom(folder: str | Path, spec: PhantomSpec, block: tuple[int, int, int] = (128, 128, 128)) -> None:
    """Write ``raw.zarr``, ``labels.zarr``, ``membranes.zarr``, ``synapses.parquet`` and ``connectome.parquet``.

    Parameters
    ----------
    folder : path
        Made if it is not there.
    spec : PhantomSpec
        The phantom.
    block : (z, y, x)
        Voxels made at a time; the result does not depend on it.

    Raises
    ------
    AlreadyExists
        If the folder holds any of these.
    """
    target = Path(folder)
    _refuse_old(target)
    target.mkdir(parents=True, exist_ok=True)
    whole = tuple(math.ceil(n / c) * c for n, c in zip(block, CHUNK, strict=True))
    grid = BlockGrid(spec.domain, whole)
    hidden = target / ".provisional.zarr"
    shutil.rmtree(hidden, ignore_errors=True)
    raw = _array(spec, target / "raw.zarr", "uint8", "image")
    membranes = _array(spec, target / "membranes.zarr", "uint8", "probability")
    provisional = _array(spec, hidden, "uint64", "labels")
    pieces = Pieces(spec.domain)
    sites: list[Site] = []
    for one in grid:
        made = render(spec, one.write)
        raw.paste(one.write, made.raw)
        membranes.paste(one.write, made.membranes)
        numbered = pieces.add(one, made.keys)
        provisional.paste(one.write, numbered)
        pieces.join(one, numbered, provisional.cutout)
        sites += _own(spec, one, made.sites)
    labels = _array(spec, target / "labels.zarr", "uint64", "labels")
    numbers = pieces.numbers()
    for one in grid:
        labels.paste(one.write, numbers[provisional.cutout(one.write)])
    shutil.rmtree(hidden)
    synapses, connectome = synapse_rows(spec, sites, labels.cutout)
    write_table(target / "synapses.parquet", synapses, SYNAPSE_COLUMNS)
    write_table(target / "connectome.parquet", connectome, CONNECTOME_COLUMNS)


def _refuse_old(folder: Path) -> None:
    names = ("raw.zarr", "labels.zarr", "membranes.zarr", "synapses.parquet", "connectome.parquet")
    old = [name for name in names if (folder / name).exists()]
    if old:
        raise AlreadyExists(f"{folder} already holds {', '.join(old)}: remove them, or name another folder")


def _array(spec: PhantomSpec, path: Path, dtype: str, kind: Any) -> Volume:
    shape = VolumeSpec.of(spec.shape, dtype, chunk=CHUNK, kind=kind, voxel_size_nm=spec.voxel_size_nm)
    return create(f"zarr://{path}", shape)


def _own(spec: PhantomSpec, block: Block, sites: list[Site]) -> list[Site]:
    """The sites whose centre is in a block."""
    return [
        site
        for site in sites
        if tuple(math.floor(c / v) for c, v in zip(site.centre_nm, spec.voxel_size_nm, strict=True)) in block.write
    ]
