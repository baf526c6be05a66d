"""Files and sources of HDF5 datasets: sources of virtual ones that are missing are read as fill values by HDF5."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import h5py

Slices = Sequence[slice]
_BLOCK_NUMBER = "%b"
"""Part of a name that HDF5 replaces by the number of a block, 0, 1, …"""


def missing_sources(dataset: h5py.Dataset, slices: Slices | None = None) -> str:
    """Return which sources of a virtual dataset are missing or too small; empty if all are there.

    Parameters
    ----------
    dataset : h5py.Dataset
        Virtual dataset; its sources may be virtual too.
    slices : sequence of slice, optional
        Part that is read, with start and stop; sources of other parts are not looked at.
    """
    return "; ".join(sorted(set(_problems(dataset, slices, frozenset()))))


def files_of(dataset: h5py.Dataset) -> set[Path]:
    """Return the files that hold the voxels of a dataset whose sources are all there: its own, and theirs."""
    file = Path(dataset.file.filename)
    files = {file, *(file.parent / name for name, _, _ in dataset.external or ())}
    for source in dataset.virtual_sources() if dataset.is_virtual else ():
        if _BLOCK_NUMBER in source.file_name:
            pattern = file.resolve().parent / source.file_name
            files |= set(pattern.parent.glob(glob.escape(pattern.name).replace(_BLOCK_NUMBER, "*")))
            continue
        path = file if source.file_name == "." else _find(file, source.file_name)
        if path is None:
            continue
        files.add(path)
        if _BLOCK_NUMBER not in source.dset_name:
            with nullcontext(dataset.file) if source.file_name == "." else h5py.File(path, "r") as h5:
                files |= files_of(h5[source.dset_name])
    return files


def _problems(dataset: h5py.Dataset, slices: Slices | None, above: frozenset[tuple[str, str]]) -> Iterator[str]:
    file = Path(dataset.file.filename)
    for source in dataset.virtual_sources():
        if slices is not None and not _meets(source.vspace, slices):
            continue
        if (str(file), source.dset_name) in above:
            yield f"{source.dset_name} is a view of itself"
        elif _BLOCK_NUMBER in source.file_name or _BLOCK_NUMBER in source.dset_name:
            yield from _missing_blocks(file, source.file_name, source.dset_name)
        elif source.file_name == ".":
            yield from _source_problems(dataset.file, source, above | {(str(file), source.dset_name)})
        elif (path := _find(file, source.file_name)) is None:
            yield f"the file {source.file_name} is missing"
        else:
            try:
                with h5py.File(path, "r") as other:
                    yield from _source_problems(other, source, above | {(str(path), source.dset_name)})
            except OSError:
                yield f"the file {source.file_name} is damaged"


def _source_problems(h5: h5py.File, source: h5py.VDSmap, above: frozenset[tuple[str, str]]) -> Iterator[str]:
    """Yield what is wrong with the source dataset of one mapping."""
    try:
        found = h5[source.dset_name]
    except KeyError:
        found = None
    if not isinstance(found, h5py.Dataset):
        yield f"the dataset {source.dset_name} of {source.file_name} is missing"
        return
    if found.is_virtual:
        yield from _problems(found, None, above)
    try:
        stop = source.src_space.get_select_bounds()[1]
    except ValueError:  # the whole source is selected, or an unlimited part of it
        return
    if len(stop) != found.ndim or any(last >= n for last, n in zip(stop, found.shape, strict=True)):
        yield f"the dataset {source.dset_name} of {source.file_name} has shape {found.shape}, smaller than this part"


def _meets(space: h5py.h5s.SpaceID, slices: Slices) -> bool:
    try:
        first, last = space.get_select_bounds()
    except ValueError:  # unlimited
        return True
    return all(a < part.stop and part.start <= b for a, b, part in zip(first, last, slices, strict=True))


def _find(file: Path, name: str) -> Path | None:
    """Return the path of a source file, looked up as HDF5 does, or None."""
    names = [name, Path(name).name] if Path(name).is_absolute() else [name]
    folders = [*os.environ.get("HDF5_VDS_PREFIX", "").split(":"), file.parent, file.resolve().parent, Path.cwd()]
    for folder in folders:
        prefix = str(folder).replace("${ORIGIN}", str(file.resolve().parent))
        for one in names if prefix else ():
            if (path := Path(prefix, one)).is_file():
                return path
    return None


def _missing_blocks(file: Path, file_name: str, dataset_name: str) -> Iterator[str]:
    """Yield what is missing of sources with numbered names, which begin at 0 and have no gap."""
    if _BLOCK_NUMBER not in file_name:
        path = file if file_name == "." else _find(file, file_name)
        if path is None:
            yield f"the file {file_name} is missing"
            return
        with h5py.File(path, "r") as h5:
            group, _, pattern = dataset_name.rpartition("/")
            names = list(h5[group or "/"]) if (group or "/") in h5 else []
    else:
        names, pattern = (
            [one.name for one in (file.resolve().parent / file_name).parent.iterdir()],
            Path(file_name).name,
        )
    expression = re.compile(re.escape(pattern).replace(re.escape(_BLOCK_NUMBER), r"(\d+)"))
    numbers = sorted(int(found[1]) for name in names if (found := expression.fullmatch(name)))
    if numbers != list(range(max(1, len(numbers)))):
        yield f"the sources {file_name} {dataset_name} are {numbers or 'missing'}; expected 0, 1, … without a gap"
