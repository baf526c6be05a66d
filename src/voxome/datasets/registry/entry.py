"""What the registry says of one volume."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from voxome.contracts.spec import VolumeKind

Length = Annotated[float, Field(gt=0)]


class File(BaseModel):
    """One file that is fetched whole before it is opened.

    Attributes
    ----------
    url : str
        Where it is.
    name : str
        What it is called in the cache.
    sha256 : str or None
        Of the file; None where nobody has hashed it.
    sha256_source : str or None
        Who hashed it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: Annotated[str, Field(pattern=r"^https?://")]
    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    sha256_source: str | None = None


class Entry(BaseModel):
    """One public volume. What was not found is None; nothing is guessed.

    Attributes
    ----------
    name : str
        As ``kasthuri2015/em``.
    title : str
        What it is, in a line.
    uri : str or None
        What `voxome.open` opens; ``{file}`` in it stands for the fetched file. None where it is only to be had by hand.
    page : str
        For people to read.
    kind : {"image", "labels", "probability"}
        What the voxels mean.
    modality : str
        How it was imaged.
    species : str
        Whose tissue it is.
    voxel_size_nm : (z, y, x) or None
        Of the finest level.
    licence, citation : str or None
        As its makers ask for.
    source : tuple of str
        Pages and files where these facts were read.
    verified : date or None
        When somebody last opened it with voxome.
    note : str or None
        What else to know.
    file : File or None
        What is fetched first.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Annotated[str, Field(pattern=r"^[a-z0-9_]+(/[A-Za-z0-9_]+)+$")]
    title: str
    uri: str | None
    page: Annotated[str, Field(pattern=r"^https?://")]
    kind: VolumeKind
    modality: str
    species: str
    voxel_size_nm: tuple[Length, Length, Length] | None = None
    licence: str | None = None
    citation: str | None = None
    source: Annotated[tuple[str, ...], Field(min_length=1)]
    verified: date | None = None
    note: str | None = None
    file: File | None = None
