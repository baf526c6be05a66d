"""What is sent to the API and what it answers, from which its OpenAPI document is written."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_LAST_ID = 2**64 - 1
_DIGITS = re.compile(r"[0-9]{1,9}")
_RANGE = r"-?[0-9]{1,18}:-?[0-9]{1,18}"


def _plain(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("expected plain digits")
    return value


def _is_id(value: str) -> str:
    if int(value) > _LAST_ID:
        raise ValueError(f"ids are at most {_LAST_ID}")
    return value


Name = Annotated[str, Field(min_length=1, max_length=500, description="Name of the source.", examples=["lab/em"])]
Number = Annotated[int, Field(ge=0, le=63, description="Level; 0 is the finest."), BeforeValidator(_plain)]
Id = Annotated[
    str,
    Field(
        pattern="^[0-9]{1,20}$",
        description="Id of a segment, a decimal number below 2⁶⁴.",
        examples=["720575940602398473"],
    ),
    AfterValidator(_is_id),
]
BoxText = Annotated[
    str,
    Field(
        pattern=f"^{_RANGE}(,{_RANGE}){{0,7}}$", description="Half-open ranges, in the axes and voxels of the level.",
        examples=["0:64,0:64,0:64"],
    ),
]  # fmt: skip
Indices = list[int]
Position = Annotated[list[float], Field(min_length=3, max_length=3, description="z, y, x in nm.")]


class _Query(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class NoQuery(_Query):
    """Nothing."""


class SourceQuery(_Query):
    """A source."""

    source: Name


class CutoutQuery(SourceQuery):
    """A box of voxels."""

    box: BoxText
    level: Number = 0
    format: Annotated[
        Literal["npy", "raw"], Field(description="npy, or only the voxels in C order, little-endian.")
    ] = "npy"


class BoxQuery(SourceQuery):
    """A box of labels."""

    box: BoxText
    level: Number = 0


class SegmentQuery(SourceQuery):
    """A segment, and where it is looked for."""

    id: Id
    level: Number = 0
    box: Annotated[BoxText | None, Field(description="Where it is looked for; everywhere by default.")] = None


class ShapeQuery(SourceQuery):
    """A segment whose mesh or skeleton is stored."""

    id: Id


class Problem(BaseModel):
    """Why a request failed."""

    message: str


class SourceNames(BaseModel):
    """Sources that the caller may read."""

    sources: list[str]


class Level(BaseModel):
    """One array of a pyramid; sizes and offsets are z, y, x."""

    level: int
    start: Indices
    stop: Indices
    chunk: Annotated[Indices | None, Field(description="Shape of the chunks of its store.")]
    voxel_size_nm: Position | None
    offset_nm: Annotated[Position, Field(description="Centre of the voxel with index 0.")]


class Source(BaseModel):
    """A volume that is served."""

    name: str
    axes: list[str]
    dtype: str
    kind: Literal["image", "labels", "probability"]
    writable: Annotated[bool, Field(description="Whether the caller may write it.")]
    levels: list[Level]
    addresses: Annotated[
        dict[str, str], Field(description="API → address of the source in it, below the address of the relay.")
    ]


class Ids(BaseModel):
    """Ids of segments, in order."""

    ids: list[Id]


class BoundingBox(BaseModel):
    """The smallest box with all voxels of a segment."""

    id: Id
    level: int
    start: Indices
    stop: Indices


class Region(BoundingBox):
    """Measures of a segment; of places where it is known how large voxels are in nm and cubic micrometres."""

    voxels: int
    centroid: Annotated[list[float], Field(description="Mean index of its voxels along each axis.")]
    centroid_nm: Position | None
    volume_um3: float | None


class MeshShape(BaseModel):
    """A surface of triangles."""

    id: Id
    vertices_nm: list[Position]
    faces: Annotated[list[Indices], Field(description="Rows of the three vertices of each triangle.")]


class SkeletonShape(BaseModel):
    """A graph of nodes and edges."""

    id: Id
    nodes_nm: list[Position]
    edges: Annotated[list[Indices], Field(description="Rows of the two nodes of each edge.")]
    radii_nm: list[float | None]
