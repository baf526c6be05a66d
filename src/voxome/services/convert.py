"""Copy a volume with its grey values scaled to another data type."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from numpy.typing import DTypeLike

from voxome.blocks.progress import Progress
from voxome.calls import explain_calls
from voxome.contracts.arguments import require_text
from voxome.contracts.spec import parse_dtype
from voxome.contracts.uri import Uri, with_options
from voxome.errors import InvalidInput
from voxome.geometry import Box
from voxome.resources.view_options import DTYPES, apply_view, is_percent, refuse_labels, split_view, with_values
from voxome.resources.volume import Volume
from voxome.resources.volume_like import VolumeLike, as_volume, location_of
from voxome.services.transfer.choices import Verify
from voxome.services.transfer.run import transfer
from voxome.services.transfer.stages import TransferReport


@explain_calls
def convert(
    src: VolumeLike,
    dst: str,
    *,
    dtype: DTypeLike = "uint8",
    window: str | None = None,
    box: Box | str | None = None,
    level: int = 0,
    levels: int = 1,
    workers: int = 1,
    verify: Verify = "sampled",
    chunk: Sequence[int] | None = None,
    drop: Collection[str] = (),
    state: str | Path | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Copy a volume to another store as uint8 or uint16, with the values of a window scaled to the full range.

    `transfer` never changes a value; this does, as declared. Repeat the same call to resume.

    Parameters
    ----------
    src : str, path, Volume or array
        Source.
    dst : str
        URI at which nothing is stored.
    dtype : {"uint8", "uint16"}
        Data type of the destination.
    window : str, optional
        Values that become 0 and the maximum, as ``"100:4000"``, or percentiles of a sample without constant padding,
        as ``"0.5%:99.5%"``; values outside are clipped. Only a volume of booleans needs none.
    box, level, levels, workers, verify, chunk, drop, state, progress : optional
        See `transfer`.

    Returns
    -------
    TransferReport
        Its source is the URI of the view that was copied, with the window in grey values.

    Raises
    ------
    InvalidUri, InvalidInput
        If the window or data type is invalid.
    AlreadyExists, UnsupportedFormat, RunFailed, RunLocked
        As `transfer`.

    Examples
    --------
    >>> import numpy as np, voxome
    >>> report = voxome.convert(np.linspace(0, 1, 60).reshape(3, 4, 5), "memory://grey", window="0:1")
    >>> int(voxome.open("memory://grey")[-1, -1, -1])
    255
    """
    target = parse_dtype(dtype).name
    if target not in DTYPES:
        raise InvalidInput(
            f"dtype is {target}; expected {' or '.join(DTYPES)}: convert scales values to these (--dtype)"
        )
    volume, view = as_volume(src, level=level), {"dtype": target}
    location = location_of(volume)
    if location is not None:
        refuse_labels(volume.spec, view, volume.uri)
    if window is not None:
        view["window"] = require_text("window", window, "0.5%:99.5%")
    elif volume.dtype != bool and "window" not in split_view(Uri.parse(location or "array"))[1]:
        raise InvalidInput(
            f"{volume.uri or 'the array'}: convert needs the values that become 0 and the maximum, as window='0:4095' "
            "or window='0.5%:99.5%' (--window)"
        )
    source: str | Volume
    if location is not None:
        source = with_options(location, **view)
    else:
        name = volume.uri or "the array"
        values = with_values(view, volume.source, name) if is_percent(view) else view
        source = Volume(apply_view(volume.source, values, name))
    return transfer(
        source,
        dst,
        box=box,
        levels=levels,
        workers=workers,
        verify=verify,
        chunk=chunk,
        drop=drop,
        state=state,
        progress=progress,
    )
