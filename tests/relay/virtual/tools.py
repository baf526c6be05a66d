"""Tools and inputs for tests of virtual layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from unittest import mock

import numpy as np
from annotated_types import Ge, Interval
from numpy.typing import NDArray
from scipy import ndimage

from voxome import kinds, registry
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import PythonTool, tool


@tool("lab.smooth", halo=lambda parameters, _: parameters["radius"], outputs=kinds.Image("uint8"))
def smooth(image: Annotated[NDArray[Any], kinds.Image()], *, radius: Annotated[int, Ge(0)] = 2) -> NDArray[np.uint8]:
    """Smooth an image with the maximum of a cube."""
    return ndimage.maximum_filter(image, 2 * radius + 1)


@tool("lab.share", outputs={"over": kinds.Image("uint8"), "under": kinds.Image("uint8")})
def share(
    image: Annotated[NDArray[Any], kinds.Image("uint8")],
    mask: Annotated[NDArray[Any] | None, kinds.Image("uint8")] = None,
    *,
    at: Annotated[float, Interval(ge=0, le=1)] = 0.5,
    invert: bool = False,
    note: str = "",
) -> dict[str, NDArray[np.uint8]]:
    """Mark the voxels over a share of the largest value, and those under it, in a mask."""
    over = (image > 255 * at) != invert
    inside = np.ones_like(over) if mask is None else mask > 0
    return {"over": (over & inside).astype("uint8"), "under": (~over & inside).astype("uint8")}


@tool("lab.depth", outputs=kinds.Image("uint16"))
def depth(image: Annotated[NDArray[Any], kinds.Image()], *, block: BlockContext) -> NDArray[np.uint16]:
    """Return the index of each voxel along z."""
    z = np.arange(block.write.start[0], block.write.stop[0], dtype="uint16")
    return np.broadcast_to(z[:, None, None], image.shape)


@tool("lab.size", outputs=kinds.Image("uint16"))
def size(image: Annotated[NDArray[Any], kinds.Image()], *, block: BlockContext) -> NDArray[np.uint16]:
    """Return the voxel size along z in nm."""
    return np.full(image.shape, (block.frame.voxel_size_nm or (0,))[0], np.uint16)


@tool("lab.fickle", outputs=kinds.Image("uint8"), invariance="none")
def fickle(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
    """Mark voxels above the mean of the block."""
    return (image > image.mean()).astype("uint8")


@tool("lab.failing", outputs=kinds.Image("uint8"))
def failing(image: Annotated[NDArray[Any], kinds.Image()]) -> NDArray[np.uint8]:
    """Fail."""
    raise RuntimeError("cannot read /secret/path")


TOOLS: dict[str, PythonTool] = {one.spec.name: one for one in (smooth, share, depth, size, fickle, failing)}


@contextmanager
def installed(*more: PythonTool) -> Iterator[None]:
    """Let the registry know these tools, as those of other packages."""
    known = {**TOOLS, **{one.spec.name: one for one in more}}
    load = registry.load

    def load_known(group: str, name: str) -> Any:
        return known[name] if group == registry.TOOLS and name in known else load(group, name)

    with (
        mock.patch("voxome.relay.virtual.recipe.load", load_known),
        mock.patch("voxome.blocks.step.load", load_known),
        mock.patch("voxome.workflow.plan.load", load_known),
        mock.patch("voxome.workflow.run_tool.load", load_known),
    ):
        yield
