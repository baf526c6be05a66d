"""The EM pipeline, and how its results are compared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import voxome
from voxome.records.sql import SqlRecords
from voxome.resources.table import TableFile

ROOT = Path(__file__).parent.parent.parent
CONNECTOME = ROOT / "pipelines" / "em" / "connectome.cwl"
NEURONS = ROOT / "pipelines" / "em" / "neurons.cwl"
"""The part of the pipeline that has jobs of every scope: for tests of what runs jobs, at a third of the processes."""
ARRAYS = ("affinities", "membranes", "neurons")
TABLES = ("synapses", "connectome", "neurons")


@dataclass(frozen=True)
class Phantom:
    """The files of a phantom, and the inputs of a run on it."""

    folder: Path

    @property
    def inputs(self) -> dict[str, Any]:
        return {name: str(self.folder / f"{name}.zarr") for name in ("raw", "membranes")}


def has_jobs(out: Path) -> bool:
    """Return whether a job of the run in folder `out` is in the ledger."""
    file = out / ".voxome" / "run.sqlite"
    if not file.exists():
        return False
    records = SqlRecords.in_file(file)
    try:
        return bool(list(records.query("jobs", {})))
    finally:
        records.close()


def assert_same_results(one: Path, other: Path) -> None:
    """Assert that arrays, tables and graph of two run folders are equal."""
    for name in ARRAYS:
        assert np.array_equal(voxome.open(f"{one}/{name}.zarr")[...], voxome.open(f"{other}/{name}.zarr")[...]), name
    for name in TABLES:
        assert_same_tables(one / f"{name}.parquet", other / f"{name}.parquet")
    assert (one / "connectome.graphml").read_bytes() == (other / "connectome.graphml").read_bytes()


def neuron_inputs(reference: Path) -> dict[str, Any]:
    """Return the inputs of `NEURONS`: results of a run of the whole pipeline, whose neurons it gives again."""
    return {name: f"{reference}/{name}.zarr" for name in ("membranes", "affinities")}


def assert_same_neurons(one: Path, other: Path) -> None:
    """Assert that the neurons of two run folders are equal."""
    neurons = (voxome.open(f"{folder}/neurons.zarr", expect=voxome.Volume)[...] for folder in (one, other))
    assert np.array_equal(*neurons)


def assert_same_tables(one: Path, other: Path) -> None:
    """Assert that two tables have the same columns and rows."""
    a, b = TableFile(one).read(), TableFile(other).read()
    assert list(a) == list(b)
    for column, values in a.items():
        assert np.array_equal(values, b[column], equal_nan=values.dtype.kind == "f"), column
