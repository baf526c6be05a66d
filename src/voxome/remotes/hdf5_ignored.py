"""Warnings of attributes of HDF5 datasets that have the name of a size, of axes or of a kind, and no such value."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import get_args

import h5py

from voxome.config.settings import in_worker
from voxome.contracts.spec import VolumeKind
from voxome.errors import describe_value
from voxome.remotes.hdf5_datasets import (
    UNITS,
    axis_labels,
    nm_per_unit,
    plain_value,
    stored_axes,
    text_of,
    triple_of,
    value_of,
)

_LOG = logging.getLogger(__name__)
_LENGTHS = {"resolution": True, "element_size_um": True, "offset": False}
"""Attribute with three lengths → whether they are positive."""
_IN_UNITS = {"resolution", "offset"}
"""Those whose unit is in the attribute `UNITS`."""
_warned: set[tuple[Path, str, str]] = set()
"""File, dataset and problem of the warnings of this process."""


def warn_of_ignored(dataset: h5py.Dataset, file: Path, others: Iterable[str]) -> None:
    """Log a warning for each attribute that is ignored, once in a process, and not in workers.

    Parameters
    ----------
    dataset : h5py.Dataset
        A volume.
    file : path
        Its file, for the message.
    others : iterable of str
        Problems that are known already.
    """
    if in_worker():
        return
    for problem in chain(_problems(dataset), others):
        if (file, dataset.name, problem) not in _warned:
            _warned.add((file, dataset.name, problem))
            _LOG.warning("hdf5://%s%s: %s", file, dataset.name, problem)


def _problems(dataset: h5py.Dataset) -> Iterator[str]:
    """Yield what is wrong with attributes, and what stands for them."""
    attributes = {name: value_of(dataset, name) for name in dataset.attrs}
    for name, is_positive in _LENGTHS.items():
        if name in attributes and triple_of(attributes[name], positive=is_positive) is None:
            expected = "three positive numbers" if is_positive else "three numbers"
            found = describe_value(plain_value(attributes[name]))
            yield f"the attribute {name} is {found}; expected {expected}, z, y, x; it is ignored"
    if nm_per_unit(attributes.get(UNITS)) is None:
        found = describe_value(plain_value(attributes[UNITS]))
        for name in sorted(attributes.keys() & _IN_UNITS):
            yield f"the attribute {UNITS} is {found}; expected lengths; {name} is ignored"
    kinds = get_args(VolumeKind)
    if "kind" in attributes and text_of(attributes["kind"]) not in kinds:
        found = describe_value(plain_value(attributes["kind"]))
        yield f"the attribute kind is {found}; expected {', '.join(kinds)}; it counts as an image"
    labels = axis_labels(dataset)
    if (any(labels) or "axistags" in attributes) and tuple(labels) != stored_axes(dataset):
        found = ", ".join(labels) or describe_value(plain_value(attributes.get("axistags")))
        yield f"the names of the axes are {found}; expected one of t, c, z, y, x for each; they are ignored"
