"""Copy a volume from one store to another."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

from voxome.blocks.runner import Progress
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidBox, InvalidInput, UnknownName
from voxome.geometry import Box
from voxome.resources.volume import Volume
from voxome.services.blockwise_copy import dtype_of
from voxome.services.transfer.copy import Verify
from voxome.services.transfer.endpoint import Endpoint
from voxome.services.transfer.execute import TransferContext, run_copy
from voxome.services.transfer.prepare import TransferRequest, plan, prepare
from voxome.services.transfer.state import locked_state, state_root
from voxome.services.transfer.target import TargetOptions


@dataclass(frozen=True)
class TransferReport:
    """How a transfer went.

    Attributes
    ----------
    source, destination : str
        URIs.
    bytes : int
        Of the voxels that were written now, as they are in memory.
    blocks, run, reused, verified : int
        All blocks, those written now, those written by earlier calls, and those read back.
    seconds, bytes_per_s : float
        Time from start to end, and rate.
    """

    source: str
    destination: str
    bytes: int
    blocks: int
    run: int
    reused: int
    verified: int
    seconds: float
    bytes_per_s: float


def transfer(
    src: str | Volume,
    dst: str | Volume,
    *,
    box: Box | str | None = None,
    level: int = 0,
    dtype: Any = None,
    levels: int = 1,
    workers: int = 1,
    verify: Verify = "sampled",
    seed: int = 0,
    existing: bool = False,
    chunk: Sequence[int] | None = None,
    shard: Sequence[int] | None = None,
    encoding: Mapping[str, Any] | None = None,
    drop: Collection[str] = (),
    state: str | Path | None = None,
    progress: Progress | None = None,
) -> TransferReport:
    """Copy a volume, or a part of it, to another store.

    Give the same call again after it was interrupted, and it goes on where it was: no block that was finished is copied
    again. Voxel size, offset, first index, attributes and kind are kept.

    Parameters
    ----------
    src : str or Volume
        What is copied.
    dst : str or Volume
        Where to: a URI at which nothing is stored, or with `existing` an array that holds the box and is of the same
        dtype, axes, voxel size and offset. A Volume is taken as one that may be written into.
    box : Box or str, optional
        The part to copy, in the coordinates of `src` at `level`: all axes, or z, y, x with the others whole.
    level : int
        Of the source's pyramid.
    dtype : dtype, optional
        Of the destination; refused as soon as a voxel would change its value.
    levels : int
        How many levels the destination is to have; the coarser ones are means, or the most frequent label. Each
        halves the axes along which voxels are less than twice as long as along the shortest, or as the store wants it.
    workers : int
        Processes. With 1 it is done in this one, a thread reading while another writes; so are destinations that only
        one process may write to.
    verify : {"none", "sampled", "all"}
        Which blocks are read back by a fresh reader and compared: a sample of the first, the last and one of 16.
    seed : int
        Of the sample.
    existing : bool
        Whether an array that is there may be written into.
    chunk, shard : (z, y, x), optional
        Of a new destination; what its format takes by default if None.
    encoding : mapping, optional
        Of a new destination: the format's own options, such as ``{"codec": "zstd"}``.
    drop : collection of {"start", "voxel_size", "offset", "attributes"}
        What a new destination need not keep. Without its start it begins at 0, its offset moved along.
    state : path, optional
        The folder under which it is kept what is done; ``VOXOME_STATE`` or the user's cache folder if None.
    progress : function of a StepReport, optional
        Called whenever something has ended.

    Returns
    -------
    TransferReport

    Raises
    ------
    AlreadyExists
        If something is at `dst` that is not from this transfer.
    PlanError
        If an existing `dst` does not fit; all faults at once.
    UnsupportedFormat, InvalidInput
        If the format of `dst` cannot keep what `src` has, before any work.
    RunFailed
        If blocks could not be copied, or read back otherwise than they were written; it names their boxes.
    RunLocked
        If a transfer to `dst` is under way.

    Examples
    --------
    >>> import voxome
    >>> made = voxome.create("memory://here", voxome.VolumeSpec.of((4, 5, 6), "uint8"))
    >>> made[...] = 7
    >>> voxome.transfer("memory://here", "memory://there", verify="all").verified
    1
    >>> int(voxome.open("memory://there")[3, 4, 5])
    7
    """
    began = time.monotonic()
    _check(verify, levels, workers)
    here, there = Endpoint.of(src, level), Endpoint.of(dst)
    if here.uri and here.uri == there.uri:
        raise InvalidInput(f"{here.uri} cannot be copied to itself")
    source = here.open()
    region = _region(source.spec, box)
    wishes = TargetOptions(
        None if dtype is None else dtype_of(dtype).name, _three(chunk), _three(shard), encoding, tuple(sorted(drop))
    )
    wanted = wishes.spec(source, region, there.scheme)
    asked = TransferRequest(here, there, region, wanted, levels, existing or isinstance(dst, Volume), verify, seed)
    told = {"source": here.uri, "destination": there.uri, "box": str(region), "wishes": asdict(wishes)}
    with _root(asked, state) as root, locked_state(root, told) as kept:
        target = prepare(kept, source, asked)
        copies = plan(source, target, asked)
        kept.begin([copy.key for copy in copies])
        run = TransferContext(source, target, asked, kept, workers, progress or (lambda _: None))
        for number, copy in enumerate(copies):
            run_copy(run, number, copy)
        kept.keep(complete=True)
    blocks, done, seconds = sum(len(copy.grid) for copy in copies), run.tally, time.monotonic() - began
    return TransferReport(
        here.uri,
        there.uri,
        done.bytes,
        blocks,
        done.run,
        blocks - done.run,
        done.verified,
        seconds,
        done.bytes / seconds,
    )


def _check(verify: str, levels: int, workers: int) -> None:
    if verify not in get_args(Verify):
        raise UnknownName.of("verify mode", verify, get_args(Verify))
    for name, number in (("levels", levels), ("workers", workers)):
        if number < 1:
            raise InvalidInput(f"{name} is {number}; at least 1 is needed")


def _region(spec: VolumeSpec, box: Box | str | None) -> Box:
    """The part to copy, along all axes."""
    if box is None:
        return spec.domain
    asked = Box.parse(box) if isinstance(box, str) else box
    if asked.ndim == len(spec.spatial) != spec.domain.ndim:
        asked = spec.lift(asked)
    if asked.ndim != spec.domain.ndim or asked not in spec.domain or asked.empty:
        raise InvalidBox(f"the box {asked} is empty, or not inside {spec.domain} ({'/'.join(spec.axes)})")
    return asked


def _three(lengths: Sequence[int] | None) -> tuple[int, int, int] | None:
    if lengths is None:
        return None
    if len(lengths) != 3 or min(lengths) < 1:
        raise InvalidInput(f"{tuple(lengths)} voxels were asked for; three lengths (z, y, x) of at least 1 are needed")
    z, y, x = lengths
    return z, y, x


@contextmanager
def _root(asked: TransferRequest, given: str | Path | None) -> Iterator[Path]:
    """The folder of the states; one for now only, where an end is gone with this process."""
    if asked.source.reachable and asked.target.reachable:
        yield state_root(given)
        return
    with tempfile.TemporaryDirectory(prefix="voxome-transfer-") as folder:
        yield Path(folder)
