"""What is sent to the API and what it answers, from which its OpenAPI document is written."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

_LAST_ID = 2**64 - 1
_DIGITS = re.compile(r"[0-9]{1,9}")
_RANGE = r"(-?[0-9]{1,18})?:(-?[0-9]{1,18})?"
_NUMBER_NM = r"-?[0-9]{1,18}(\.[0-9]{1,18})?"
_RANGE_NM = f"{_NUMBER_NM}:{_NUMBER_NM}"


def _plain(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("expected plain digits")
    return value


def _is_id(value: str) -> str:
    if int(value) > _LAST_ID:
        raise ValueError(f"ids are at most {_LAST_ID}")
    return value


def _are_ids(value: str | None) -> str | None:
    for one in (value or "0").split(","):
        _is_id(one)
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
        pattern=f"^{_RANGE}(,{_RANGE}){{0,7}}$",
        description="Half-open ranges, in the axes and voxels of the level, whose ends may be left out.",
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


class CollectionQuery(_Query):
    """A collection of annotations."""

    collection: Annotated[
        str, Field(min_length=1, max_length=500, description="Name of the collection.", examples=["lab/synapses"])
    ]


class AnnotationsQuery(CollectionQuery):
    """Annotations: either some by id, or those in a box, or those of a segment."""

    ids: Annotated[
        str | None,
        Field(
            pattern="^[0-9]{1,20}(,[0-9]{1,20}){0,999}$",
            description="Ids of annotations, separated by commas.",
            examples=["17,42"],
        ),
        AfterValidator(_are_ids),
    ] = None
    box_nm: Annotated[
        str | None,
        Field(
            pattern=f"^{_RANGE_NM}(,{_RANGE_NM}){{2}}$",
            description="Half-open ranges along z, y and x in nm.",
            examples=["0:400,0:400,0:400"],
        ),
    ] = None
    segment: Annotated[Id | None, Field(description="Segment to which they are related.")] = None
    relation: Annotated[
        str | None, Field(max_length=500, description="Relation to the segment, where the collection has several.")
    ] = None

    @model_validator(mode="after")
    def _is_one_search(self) -> Self:
        if sum(one is not None for one in (self.ids, self.box_nm, self.segment)) != 1:
            raise ValueError("give one of ids, box_nm and segment")
        if self.relation is not None and self.segment is None:
            raise ValueError("relation needs a segment")
        return self


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


class CollectionNames(BaseModel):
    """Collections of annotations that the caller may read."""

    collections: list[str]


class Collection(BaseModel):
    """A collection of annotations."""

    name: str
    shape: Literal["point", "line", "box", "ellipsoid"]
    relations: list[str]
    count: int | None
    properties: Annotated[dict[str, str] | None, Field(description="Name → data type; null if not known.")]


class Annotation(BaseModel):
    """One annotation."""

    id: Id
    positions_nm: Annotated[
        list[Position], Field(description="A point, both ends, two corners, or the centre and the radii.")
    ]
    properties: Annotated[
        dict[str, float | int | str | bool | None], Field(description="Whole numbers of 64 bits are strings.")
    ]
    relations: Annotated[
        dict[str, list[Id]], Field(description="Segments by relation; empty where the store does not tell them here.")
    ]


class Annotations(BaseModel):
    """Annotations, sorted by id."""

    collection: str
    shape: Literal["point", "line", "box", "ellipsoid"]
    annotations: list[Annotation]


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
