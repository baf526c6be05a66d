"""Sums from which segments and their contacts are measured, in one pass over the blocks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.kinds import Rows
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.contracts.tool import memory_of
from voxome.tools.common.segments.sums import CONTACT_SUMS, SUMS, SUMS_FOLD, VALUE_SUMS, Sums

SEGMENT_TABLE = kinds.Table(SUMS, key=("id",), fold=SUMS_FOLD)
VALUE_TABLE = kinds.Table(VALUE_SUMS, key=("id", "power", "place"), fold={"total": "sum"})
CONTACT_TABLE = kinds.Table(
    CONTACT_SUMS, key=("a", "b"), fold={name: "sum" for name in CONTACT_SUMS if name not in ("a", "b")}
)


def _problems(specs: Mapping[str, VolumeSpec], _: Mapping[str, Any]) -> Iterable[str]:
    if specs["labels"].dtype.kind not in "iu":
        yield f"labels are {specs['labels'].dtype}; expected integers"
    if "image" in specs and specs["image"].dtype.kind not in "biuf":
        yield f"image is {specs['image'].dtype}; expected numbers"


@tool(
    "common.region_sums",
    halo=((0, 0, 0), (1, 1, 1)),
    outputs={"segments": SEGMENT_TABLE, "values": VALUE_TABLE, "touching": CONTACT_TABLE},
    invariance="none",
    check=_problems,
    memory=memory_of(260_000_000, 60),
)
def region_sums(
    labels: Annotated[NDArray[Any], kinds.Labels(dtype=None)],
    image: Annotated[NDArray[Any] | None, kinds.Image()] = None,
    *,
    contacts: bool = True,
    block: BlockContext,
) -> dict[str, Rows]:
    """Add up sizes, positions, surfaces, values and contacts of segments.

    The limbs of the sums depend on the blocks; the numbers that they stand for, and the results of ``common.regions``
    and ``common.contacts``, do not.

    Parameters
    ----------
    labels : (z, y, x) array of integers
        Labels; 0 is background.
    image : (z, y, x) array, optional
        Volume whose values under the labels are added up.
    contacts : bool
        Whether to find contacts.

    Returns
    -------
    segments, values, touching : tables
        Sums of segments, of the values under them, and of contacts.
    """
    frame = block.frame
    region = block.read & frame.box
    inside = region.within(block.read)
    outside = tuple(first == start for first, start in zip(block.write.start, frame.box.start, strict=True))
    origin = tuple(first - start for first, start in zip(block.write.start, frame.domain.start, strict=True))
    z, y, x = block.write.shape
    values = None if image is None else image[inside]
    found = Sums.of(labels[inside], values, inner=(z, y, x), origin=origin, outside=outside, contacts=contacts)
    return {"segments": found.segments, "values": found.values, "touching": found.contacts}
