"""Model cards: the networks shipped with voxome or trained by users, as an ONNX file and a JSON card."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, MinLen
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from voxome.contracts.validation import describe_problems
from voxome.errors import CorruptData, NotFound, UnknownName
from voxome.storage.bounded_file import BoundedFile, read_document

FOLDER = Path(__file__).parent
Count = Annotated[int, Ge(0)]


class Contrast(BaseModel):
    """Grey values of the training data."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    std: float
    percentile_1: float
    percentile_99: float


class Normalization(BaseModel):
    """How grey values become the input of a network.

    Attributes
    ----------
    statistics : ``volume`` subtracts the mean and divides by the standard deviation of the volume's tissue; ``fixed``
        takes those below, whatever the volume; ``patch`` those of each patch.
    mean, std : the values subtracted and divided by, for ``fixed``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    statistics: Literal["volume", "fixed", "patch"]
    mean: float = 0.0
    std: Annotated[float, Gt(0)] = 1.0


class ModelCard(BaseModel):
    """Description of a network.

    Attributes
    ----------
    task : what it predicts: affinities, cells, vessels, …
    file, sha256 : name of the ONNX file in the folder of the card, and its SHA-256.
    voxel_size_nm : voxel size (z, y, x) of the training data.
    dtype : data type of the training data.
    channels : names of the output channels, which are probabilities.
    offsets : (z, y, x) in voxels, of networks that predict affinities; output channel k at voxel p is the probability
        that p and p + offset k belong to the same object.
    context : voxels (z, y, x) of input that the network needs beyond its output, on every side.
    stride : outputs start at multiples of it (z, y, x), relative to the start of the domain.
    normalization : how grey values become its input.
    norm : layers of normalisation in the network.
    layout : ``tiles`` of a network with valid convolutions, whose output has the axes of the input; ``patches`` of one
        that returns the channels of the voxel in the middle of its input (n, 1, y, x).
    reproducible : whether the same training gives the same weights again.
    scores : scores by data set.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    task: str
    file: str
    sha256: str
    licence: str
    data: str
    attribution: str
    voxel_size_nm: tuple[float, float, float]
    dtype: str
    contrast: Contrast
    channels: Annotated[tuple[str, ...], MinLen(1)]
    offsets: tuple[tuple[int, int, int], ...] = ()
    context: tuple[Count, Count, Count]
    stride: tuple[Annotated[int, Ge(1)], Annotated[int, Ge(1)], Annotated[int, Ge(1)]]
    normalization: Normalization
    norm: str
    layout: Literal["tiles", "patches"] = "tiles"
    reproducible: bool
    scores: dict[str, dict[str, float]]
    training: str

    @model_validator(mode="after")
    def _check_offsets(self) -> Self:
        if self.offsets and len(self.offsets) != len(self.channels):
            raise ValueError(f"{len(self.offsets)} offsets for {len(self.channels)} channels; expected one each")
        return self

    @property
    def halo(self) -> tuple[int, int, int]:
        """Voxels (z, y, x) to read beyond any block, on every side."""
        z, y, x = (context + stride - 1 for context, stride in zip(self.context, self.stride, strict=True))
        return z, y, x


@dataclass(frozen=True, slots=True)
class Model:
    """ONNX file of a network, and its card."""

    path: Path
    card: ModelCard


def names() -> tuple[str, ...]:
    """Return the names of the networks shipped with voxome."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


def find(name: str) -> Model:
    """Return a network shipped with voxome, or that of any card if `name` is a path ending in ``.json``.

    Raises
    ------
    UnknownName
        If voxome ships no such network.
    NotFound
        If the card or its ONNX file does not exist.
    CorruptData
        If the card is invalid, or the SHA-256 of the file differs.
    """
    if name.endswith(".json"):
        return load(Path(name))
    if not re.fullmatch(r"\w+", name) or name not in names():
        raise UnknownName.of("model", name, names())
    return load(FOLDER / f"{name}.json")


def load(path: Path) -> Model:
    """Read a card and check its ONNX file; raises the same errors as `find`."""
    try:
        card = ModelCard.model_validate_json(read_document(path))
    except FileNotFoundError as error:
        raise NotFound(f"The model card {path} does not exist") from error
    except OSError as error:
        raise CorruptData(f"{path} cannot be read: {error.strerror or error}") from error
    except ValidationError as error:
        raise CorruptData(f"{path} is not a valid model card: {describe_problems(error)}") from error
    read_described(path, card.file, card.sha256)
    return Model(path.parent / card.file, card)


def read_described(card: Path, name: str, sha256: str) -> bytes:
    """Return the content of the file that a card describes.

    Parameters
    ----------
    card : Path
        The card.
    name : str
        Name of the file, which is in the folder of the card.
    sha256 : str
        Its SHA-256.

    Raises
    ------
    NotFound
        If there is no such file.
    CorruptData
        If the name is that of a file elsewhere, the file cannot be read, or its SHA-256 differs.
    """
    if Path(name).name != name or name in {"", ".."} or not name.isprintable():
        raise CorruptData(f"{card}: file is {name!r}; expected the name of a file in the same folder")
    path = card.parent / name
    try:
        with BoundedFile(path) as file:
            content = file.read()
    except FileNotFoundError as error:
        raise NotFound(f"A model needs its card and {name} in the same folder, but {path} does not exist") from error
    except OSError as error:
        raise CorruptData(f"{path}, which {card} names, cannot be read: {error.strerror or error}") from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != sha256:
        raise CorruptData(
            f"{path} has SHA-256 {digest}, not {sha256} as in its card; copy both from where they come, or train again"
        )
    return content
