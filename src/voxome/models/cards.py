"""Networks that come with voxome, or that a user trained: the ONNX file and the card beside it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from voxome.errors import CorruptData, NotFound, UnknownName

HERE = Path(__file__).parent


class Contrast(BaseModel):
    """Grey values of the raw voxels that the network was trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float
    std: float
    percentile_1: float
    percentile_99: float


class ModelCard(BaseModel):
    """What must be known of a network to use it, and to judge whether to.

    Attributes
    ----------
    file, sha256 : name of the ONNX file beside the card, and the digest of its bytes.
    voxel_size_nm : (z, y, x) of the training data.
    dtype : of the training data.
    offsets : (z, y, x) in voxels; output channel k at voxel p is the probability that p and p + offset k lie
        in one object.
    context : voxels of input that the network needs beyond its output, on every side.
    stride : first output voxels lie at multiples of it, counted from the start of the domain.
    scores : what was measured, on which data.
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
    offsets: tuple[tuple[int, int, int], ...]
    context: int
    stride: int
    scores: dict[str, dict[str, float]]
    training: str

    @property
    def halo(self) -> int:
        """Voxels that must be read beyond any block, on every side, wherever it starts."""
        return self.context + self.stride - 1


@dataclass(frozen=True, slots=True)
class Model:
    """A network's file with its card."""

    path: Path
    card: ModelCard


def names() -> tuple[str, ...]:
    """Names of the networks that come with voxome."""
    return tuple(sorted(path.stem for path in HERE.glob("*.json")))


def find(name: str) -> Model:
    """The network of that name that comes with voxome; a name ending in ``.json`` is the path of any card.

    Raises
    ------
    UnknownName
        If voxome has no network of that name.
    NotFound
        If the card or its ONNX file does not exist.
    CorruptData
        If the card cannot be read, or the file is not the one that the card describes.
    """
    if name.endswith(".json"):
        return load(Path(name))
    if not re.fullmatch(r"\w+", name) or name not in names():
        raise UnknownName.of("model", name, names())
    return load(HERE / f"{name}.json")


def load(path: Path) -> Model:
    """Read a card and check the file beside it; raises as `find` does."""
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
        digest = hashlib.sha256((path.parent / card.file).read_bytes()).hexdigest()
    except FileNotFoundError as error:
        raise NotFound(
            f"a model needs its card and its ONNX file side by side, but there is no {error.filename}"
        ) from error
    except ValidationError as error:
        raise CorruptData(f"{path} is no model card: {error}") from error
    if digest != card.sha256:
        raise CorruptData(
            f"{path.parent / card.file} has SHA-256 {digest}, its card says {card.sha256}; fetch it again"
        )
    return Model(path.parent / card.file, card)
