"""``voxome.get`` and ``voxome.put``: the Python twins of the commands of these names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from numpy.typing import DTypeLike

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_flags, require_function, require_indices, require_path
from voxome.contracts.provenance import LOCAL, Provenance
from voxome.contracts.spec import VolumeKind, parse_dtype, require_chunk
from voxome.contracts.uri import Location, Uri, location_text
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.addresses import absolute
from voxome.resources.open import locate, open_source
from voxome.resources.provenance import history_of, input_record, own_version, record
from voxome.resources.unfinished import require_finished
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume
from voxome.services.blockwise_copy import ProgressCallback, copy, silent
from voxome.services.export import export, exported_uri
from voxome.services.ingest import open_target, spec_like
from voxome.services.rollback import created_or_removed


@explain_calls
def get(
    volume: VolumeLike,
    out: Location,
    *,
    box: Box | str | None = None,
    level: int = 0,
    force: bool = False,
    overwrite: bool = False,
    progress: ProgressCallback = silent,
) -> Path:
    """Export a volume, or a box of it, to a file for other programs; metadata that it cannot store are logged.

    Parameters
    ----------
    volume : str, path, Volume or array
        What to export.
    out : path
        ``FILE.npy``, ``FILE.h5`` or ``FILE.h5/DATASET``, ``FILE.tif``, ``FILE.png`` (one section), ``FOLDER/`` (PNG
        sections), ``FOLDER.zarr``, ``FOLDER.n5``, ``FILE.nii`` or ``FILE.nii.gz``; nothing may be stored there, unless
        `overwrite`.
    box : Box or str, optional
        Part to export, in the coordinates of the level, along z, y, x or all axes.
    level : int
        Level of the pyramid; 0 is the finest.
    force : bool
        Whether to export what an interrupted run has not finished.
    overwrite : bool
        Whether to replace a file or volume at `out`, once the new one is complete.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    path
        `out`.

    Raises
    ------
    InvalidInput, InvalidBox
        If the suffix is unknown, or the box is not inside the volume.
    AlreadyExists
        If `out` exists, unless `overwrite`.
    UnsupportedFormat
        If the format cannot store such voxels.
    StoreError
        If the disk has too little space for a format that does not compress; for others, that is logged as a warning.

    Examples
    --------
    >>> import numpy as np, tempfile, voxome
    >>> path = voxome.get(np.eye(4, dtype="uint8")[None], tempfile.mkdtemp() + "/eye.npy")
    >>> int(np.load(path).sum())
    4
    """
    target = require_path("out", out)
    require_flags(force=force, overwrite=overwrite)
    require_function("progress", progress)
    opened = as_volume(volume, level=level)
    require_finished(opened.reveal_uri(), force=force)
    export(opened.source, box, target, progress, overwrite=overwrite)
    if (uri := exported_uri(target)) is not None:
        entry = _entry("get", opened, {"box": None if box is None else str(box)})
        record(open_source(uri, mode="r+"), *history_of(opened.source, opened.uri), entry, name=target)
    return Path(target)


@explain_calls
def put(
    volume: VolumeLike,
    uri: Location,
    *,
    voxel_size_nm: Sequence[float] | None = None,
    dtype: DTypeLike | None = None,
    kind: VolumeKind | None = None,
    chunk: Sequence[int] | None = None,
    at: Sequence[int] | None = None,
    force: bool = False,
    progress: ProgressCallback = silent,
) -> Volume:
    """Write a file, an array or any volume into a store: as a new volume, or into an existing one.

    Parameters
    ----------
    volume : str, path, Volume or array
        What to write.
    uri : str or path
        Destination, such as ``zarr://PATH``.
    voxel_size_nm : (z, y, x), optional
        Voxel size of the new volume; that of `volume` if None.
    dtype : dtype, optional
        Data type of the new volume; values must not change.
    kind : {"image", "labels", "probability"}, optional
        Meaning of the voxels; that of `volume` if None. Of arrays, integers of 32 and 64 bits are labels.
    chunk : tuple of int, optional
        Chunk shape of the new volume.
    at : tuple of int, optional
        Write into an existing volume, starting at this index.
    force : bool
        Whether to write what an interrupted run has not finished.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    Volume
        What was written, or written into.

    Raises
    ------
    AlreadyExists
        If something is stored at `uri`.
    InvalidInput
        If a value would change, an argument is invalid, or describes a new volume although `at` is given.
    NotFound, InvalidBox
        If there is no volume to write into, or it is too small.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> voxome.put(np.ones((4, 5, 6), "uint8"), "memory://ones", voxel_size_nm=(40, 4, 4)).voxel_size_nm
    (40.0, 4.0, 4.0)
    """
    require_path("uri", uri)
    address = location_text(uri)
    require_flags(force=force)
    require_function("progress", progress)
    opened = as_volume(volume)
    require_finished(opened.reveal_uri(), force=force)
    source = opened.source
    domain = source.spec.domain
    shape = require_chunk("chunk", chunk, source.spec.axes)
    new = {"voxel_size_nm": voxel_size_nm, "dtype": dtype, "kind": kind, "read_chunk": shape}
    if at is None:
        with created_or_removed(address, spec_like(source.spec, **new)) as target:
            copy(source, domain, target, target.spec.domain.start, progress)
        record(target, *history_of(source, opened.uri), _entry("put", opened, new), name=address)
        return Volume(target, absolute(Uri.parse(address)).reveal())
    if given := [name.removeprefix("read_") for name, value in new.items() if value is not None]:
        raise InvalidInput(f"at= writes into an existing volume, but {', '.join(given)} would need a new one")
    corner = require_indices("at", at)
    target, located = open_target(address, source, corner), absolute(locate(address))
    written = 0

    def count(done: int, total: int) -> None:
        nonlocal written
        written = done
        progress(done, total)

    try:
        copy(source, domain, target, corner, count)
    except BaseException as error:
        refused = isinstance(error, InvalidInput)
        state = "is partly written" if written or not refused else "is unchanged"
        advice = "rerun the same command to complete it"
        if refused:
            advice = f"give values that fit its dtype {target.spec.dtype}, or write them into a new volume"
        error.add_note(f"{located} {state}; {advice}")
        raise
    record(target, _entry("put", opened, {"existing": True}), name=address)
    return Volume(target, located.reveal())


def _entry(verb: str, volume: Volume, parameters: Mapping[str, Any]) -> Provenance:
    """Return the provenance of a copy of a volume."""
    given = {name: value for name, value in parameters.items() if value is not None}
    if "dtype" in given:
        given["dtype"] = parse_dtype(given["dtype"]).name
    inputs = [input_record("source", volume.source, volume.uri)]
    return Provenance.now(verb, LOCAL, f"voxome.{verb}", own_version(), given, inputs)
