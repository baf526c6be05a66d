"""Outputs that go into arrays which are there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from voxome.blocks.outputs import image_outputs, output_spec
from voxome.blocks.step import Step
from voxome.contracts.kinds import Image
from voxome.contracts.source import VolumeSource
from voxome.errors import PlanError, UnknownName, VoxomeError
from voxome.resources.open import absolute, locate, open_source


def write_into(step: Step, into: Mapping[str, str], workers: int) -> Step:
    """The step with outputs written into existing arrays.

    Two blocks must never share a chunk, or one would undo what the other wrote: the block has to be a multiple of the
    array's write chunk, counted from the start of its domain.

    Parameters
    ----------
    step : Step
        As it was planned.
    into : mapping of str to str
        Output → URI of an array.
    workers : int
        How many processes will write.

    Raises
    ------
    PlanError
        If an array is not there, is of another dtype or domain, or the block does not fit its chunks; all faults at
        once, with the nearest block that does.
    """
    faults: list[str] = []
    found: dict[str, str] = {}
    kinds = image_outputs(step)
    for name, uri in into.items():
        try:
            if name not in kinds:
                raise UnknownName.of(f"output array of {step.tool}", name, kinds)
            found[name] = str(absolute(locate(uri)))
            faults += _faults(step, kinds[name], open_source(found[name]), found[name], workers)
        except VoxomeError as error:
            faults.append(str(error))
    if faults:
        raise PlanError(faults)
    return replace(step, into=found)


def _faults(step: Step, kind: Image, target: VolumeSource, uri: str, workers: int) -> Iterator[str]:
    assert step.frame is not None
    made, spec = output_spec(kind, step.frame, step.block, step.parameters), target.spec
    if spec.dtype != made.dtype:
        yield f"{uri} is {spec.dtype}, but {step.tool} writes {made.dtype}"
    if (spec.axes, spec.domain) != (made.axes, made.domain):
        yield (
            f"{uri} spans {spec.domain} along {'/'.join(spec.axes)}, but what is written spans {made.domain} along "
            f"{'/'.join(made.axes)}"
        )
        return
    if workers > 1 and not target.concurrent_writers:
        yield f"{uri} cannot be written to by {workers} processes at once: take --workers 1"
    chunk = spec.write_chunk or (1,) * spec.domain.ndim
    factors = kind.scale_for(step.parameters)
    lattice = [chunk[place] * scale for place, scale in zip(spec.spatial, factors, strict=True)]
    extents = step.frame.domain.shape
    off = [b % n and b < whole for b, n, whole in zip(step.block, lattice, extents, strict=True)]
    if any(off):
        nearest = [max(1, round(b / n)) * n if bad else b for b, n, bad in zip(step.block, lattice, off, strict=True)]
        yield (
            f"the block {_text(step.block)} is not on the chunk lattice of {uri}, whose write chunk is "
            f"{_text(lattice)}: the nearest block that is, is --block {_text(nearest)}"
        )


def _text(numbers: tuple[int, ...] | list[int]) -> str:
    return ",".join(map(str, numbers))
