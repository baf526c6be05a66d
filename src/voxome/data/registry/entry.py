"""Entries of the registry."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from voxome.contracts.spec import VolumeKind

Length = Annotated[float, Field(gt=0)]


class File(BaseModel):
    """File to download before it is opened.

    Attributes
    ----------
    url : str
        URL of the file.
    name : str
        Name in the cache.
    sha256 : str or None
        SHA-256 of the file, if known.
    sha256_source : str or None
        Source of the SHA-256.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    url: Annotated[str, Field(pattern=r"^https?://")]
    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    sha256_source: str | None = None


class Entry(BaseModel):
    """Public volume. Unknown facts are None; nothing is guessed.

    Attributes
    ----------
    name : str
        Name, such as ``kasthuri2015/em``.
    title : str
        One-line description.
    uri : str or None
        URI for `voxome.open`, in which ``{file}`` stands for the downloaded file; None if it must be obtained manually.
    page : str
        Web page.
    kind : {"image", "labels", "probability"}
        Meaning of the voxels.
    modality : str
        Imaging modality.
    species : str
        Species.
    voxel_size_nm : (z, y, x) or None
        Voxel size of the finest level.
    licence, citation : str or None
        Licence and citation, as requested by the authors.
    sources : tuple of str
        Pages and files that state these facts.
    verified : date or None
        Date when it was last opened with voxome.
    note : str or None
        Other remarks.
    file : File or None
        File to download.
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
    sources: Annotated[tuple[str, ...], Field(min_length=1)]
    verified: date | None = None
    note: str | None = None
    file: File | None = None
