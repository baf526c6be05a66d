"""Volumes in HDF5 files: which there are, and the dataset at a path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import h5py

from voxome.contracts.source import ResourceInfo
from voxome.errors import NotFound, UnsupportedFormat
from voxome.remotes.hdf5_datasets import not_a_volume, unreadable
from voxome.remotes.hdf5_file import open_file
from voxome.remotes.hdf5_links import Identity, datasets_below, describe_dead_link, identity
from voxome.remotes.hdf5_parts import is_part
from voxome.remotes.hdf5_pyramids import pyramid_of


def node_at(h5: h5py.File, file: Path, inner: str) -> h5py.Group | h5py.Dataset:
    """Return the group or dataset at a path in a file.

    Raises
    ------
    NotFound
        If there is none, or a link that leads nowhere.
    """
    try:
        return h5[inner]
    except (KeyError, OSError, RuntimeError) as error:
        if problem := describe_dead_link(h5, inner):
            raise NotFound(f"{inner} in {file} is {problem}") from error
        if not isinstance(error, KeyError):
            raise
        raise NotFound(f"{file} has no {inner}; it has {describe_volumes(volumes_below(h5))}") from error


def dataset_at(h5: h5py.File, file: Path, inner: str, slices: Sequence[slice] | None = None) -> h5py.Dataset:
    """Return a dataset that is a volume; if it is virtual, with all sources of the part that is read."""
    node = node_at(h5, file, inner)
    if not isinstance(node, h5py.Dataset):
        raise UnsupportedFormat(
            f"{inner} in {file} is a group; name a volume in it: {describe_volumes(volumes_below(node, inner))}"
        )
    if reason := not_a_volume(node) or unreadable(node, slices):
        raise UnsupportedFormat(f"{inner} in {file} has {reason}")
    return node


def volumes_below(
    node: h5py.Group | h5py.Dataset, path: str = "", *, external: bool = False
) -> dict[str, ResourceInfo]:
    """Path in the file → entry, for each volume at or below a node; the description says why one cannot be read."""
    volumes = {}
    for name, dataset in datasets_below(node, path.strip("/"), external=external):
        if not not_a_volume(dataset):
            info = ResourceInfo.of_volume(name, dataset.dtype.name, dataset.shape)
            try:
                reason = unreadable(dataset)
            except (OSError, RuntimeError, ValueError) as error:
                reason = str(error)
            text = f"{info.description}, unreadable: {reason}" if reason else info.description
            volumes[name] = replace(info, description=text)
    return volumes


def describe_volumes(volumes: Mapping[str, ResourceInfo]) -> str:
    """Return a list of volumes, for messages."""
    return ", ".join(f"{name} ({info.description})" for name, info in volumes.items()) or "no volume"


def only_volume(file: Path, *, external: bool = False) -> str:
    """Return the path of the only volume of a file; arrays of fewer than three axes count only if no other exists.

    A pyramid counts as one volume, and so does a dataset with several paths.
    """
    with open_file(file) as h5:
        found: dict[Identity, tuple[str, int]] = {}
        for name, dataset in datasets_below(h5, "", external=external):
            pyramid = pyramid_of(h5, name)
            if not not_a_volume(dataset) and (pyramid is None or pyramid.number == 0) and not is_part(name):
                found.setdefault(identity(dataset), (name, dataset.ndim))
        deep = [name for name, ndim in found.values() if ndim >= 3] or [name for name, _ in found.values()]
        if len(deep) != 1:
            raise UnsupportedFormat(
                f"{file} is not a single volume; name one of its datasets, as in hdf5://{file}/PATH: "
                f"{describe_volumes(volumes_below(h5))}"
            )
    return deep[0]
