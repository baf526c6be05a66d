"""Generation of a phantom of cells and vessels, block by block, in a folder."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np

from voxome.contracts.kinds import Rows
from voxome.contracts.spec import VolumeSpec
from voxome.data.outputs import CHUNK, Progress, removed_on_failure, require_new, silent
from voxome.data.vascular.cells import Cells
from voxome.data.vascular.graph import BRANCH_COLUMNS, NODE_COLUMNS, to_networkx, vessel_graph
from voxome.data.vascular.images import CHANNELS
from voxome.data.vascular.render import Tissue, render
from voxome.data.vascular.spec import TissueSpec
from voxome.geometry import BlockGrid
from voxome.resources.create import create
from voxome.resources.rows import concatenate
from voxome.resources.table import write_table
from voxome.resources.volume import Volume
from voxome.storage.atomic import replacing, write_file

CELL_COLUMNS = {
    "id": "uint64", "z_nm": "float64", "y_nm": "float64", "x_nm": "float64", "radius_nm": "float64", "score": "float64",
    "touches_face": "bool",
}  # fmt: skip
"""Columns of ``cells.parquet`` and their dtypes."""


@dataclass(frozen=True)
class TissueFiles:
    """A phantom of cells and vessels and its ground truth, as files.

    Attributes
    ----------
    raw, labels, vessel_mask : path
        Image, cells (numbered from 1) and vessels (255): OME-Zarr.
    cells, vessels, vessel_nodes : path
        Parquet tables: cells, branches of the vessels, and nodes between the branches.
    vessel_graph : path
        Nodes and branches as GraphML.
    truth : path
        JSON: number and density of the cells, and fraction and length density of the vessels.
    background : path or None
        Background channel of light microscopy.
    """

    raw: Path
    labels: Path
    vessel_mask: Path
    cells: Path
    vessels: Path
    vessel_nodes: Path
    vessel_graph: Path
    truth: Path
    background: Path | None = None

    @classmethod
    def within(cls, folder: Path, modality: str) -> TissueFiles:
        """Return the files of the phantom in a folder."""
        return cls(
            raw=folder / "raw.zarr",
            labels=folder / "labels.zarr",
            vessel_mask=folder / "vessel_mask.zarr",
            cells=folder / "cells.parquet",
            vessels=folder / "vessels.parquet",
            vessel_nodes=folder / "vessel_nodes.parquet",
            vessel_graph=folder / "vessels.graphml",
            truth=folder / "truth.json",
            background=folder / "background.zarr" if "background" in CHANNELS[modality] else None,
        )

    @property
    def paths(self) -> list[Path]:
        """All files."""
        values = (getattr(self, field.name) for field in fields(self))
        return [path for path in values if path is not None]


def write_phantom(
    folder: str | Path,
    spec: TissueSpec,
    block: tuple[int, int, int] = (128, 128, 128),
    progress: Progress = silent,
) -> TissueFiles:
    """Write a phantom of cells and vessels.

    What was written is removed if it is not completed.

    Parameters
    ----------
    folder : path
        Output folder, created if missing.
    spec : TissueSpec
        Phantom.
    block : (z, y, x)
        Voxels generated at a time, without effect on the result.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    TissueFiles
        Paths of the image and of its ground truth.

    Raises
    ------
    AlreadyExists
        If the folder contains any of these.
    """
    target = Path(folder)
    files = TissueFiles.within(target, spec.modality)
    require_new(target, files.paths)
    with removed_on_failure(target, files.paths):
        _write(files, spec, block, progress)
    return files


def _write(files: TissueFiles, spec: TissueSpec, block: tuple[int, int, int], progress: Progress) -> None:
    aligned = tuple(math.ceil(n / c) * c for n, c in zip(block, CHUNK, strict=True))
    grid = BlockGrid(spec.domain, aligned)
    tissue = Tissue.of(spec, grid)
    channels = CHANNELS[spec.modality].items()
    images = {name: _array(spec, getattr(files, name), dtype, "image") for name, dtype in channels}
    labels = _array(spec, files.labels, "uint64", "labels")
    mask = _array(spec, files.vessel_mask, "uint8", "probability")
    vessel_voxels = 0
    for done, tile in enumerate(grid, 1):
        rendered = render(tissue, tile.write)
        for name, image in rendered.images.items():
            images[name].paste(tile.write, image)
        labels.paste(tile.write, rendered.labels)
        mask.paste(tile.write, rendered.vessels)
        vessel_voxels += int(np.count_nonzero(rendered.vessels))
        progress(done, len(grid))
    write_table(files.cells, cell_rows(spec, tissue.cells), CELL_COLUMNS)
    nodes, branches = vessel_graph(tissue.lattice, *spec.extent_um(spec.domain))
    write_table(files.vessel_nodes, nodes, NODE_COLUMNS)
    write_table(files.vessels, branches, BRANCH_COLUMNS)
    with replacing(files.vessel_graph) as partial:
        nx.write_graphml(to_networkx(nodes, branches), partial)
    facts = _facts(spec, len(tissue.cells.keys), vessel_voxels / spec.domain.size, float(branches["length_nm"].sum()))
    write_file(files.truth, json.dumps(facts, indent=2) + "\n")


def cell_rows(spec: TissueSpec, cells: Cells) -> Rows:
    """Return the rows of ``cells.parquet``."""
    low, high = spec.extent_um(spec.domain)
    reach = np.sqrt(np.diagonal(cells.covariances, axis1=1, axis2=2))
    cut = ((cells.centres - reach < low) | (cells.centres + reach > high)).any(axis=1)
    rows: Rows = {
        "id": np.arange(1, len(cells.keys) + 1),
        **{f"{axis}_nm": cells.centres[:, a] * 1000.0 for a, axis in enumerate("zyx")},
        "radius_nm": cells.radii * 1000.0,
        "score": np.ones(len(cells.keys)),
        "touches_face": np.asarray(cut),
    }
    return concatenate([rows], CELL_COLUMNS)


def _facts(spec: TissueSpec, cells: int, fraction: float, length_nm: float) -> dict[str, Any]:
    volume_mm3 = spec.domain.size * float(np.prod(spec.voxel_um)) * 1e-9
    return {
        "modality": spec.modality,
        "density": spec.density,
        "shape": spec.shape,
        "seed": spec.seed,
        "voxel_size_nm": spec.voxel_size_nm,
        "volume_mm3": volume_mm3,
        "cells": cells,
        "cells_per_mm3": cells / volume_mm3,
        "vessel_fraction": fraction,
        "vessel_length_mm_per_mm3": length_nm * 1e-6 / volume_mm3,
    }


def _array(spec: TissueSpec, path: Path, dtype: str, kind: Any) -> Volume:
    volume_spec = VolumeSpec.of(spec.shape, dtype, chunk=CHUNK, kind=kind, voxel_size_nm=spec.voxel_size_nm)
    return create(f"zarr://{path}", volume_spec)
