"""What all pixel classifiers can do, and how one is read from its file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.formats import PIXELS
from voxome.contracts.spec import VolumeSpec
from voxome.errors import CorruptData, NotFound, UnknownName
from voxome.models.pixels.forest import Forest
from voxome.models.pixels.mixture import Mixture
from voxome.models.pixels.network import Network
from voxome.models.pixels.place import Place
from voxome.storage.bounded_file import read_document

Scale = tuple[float, float, float]


class PixelClassifier(Protocol):
    """Gives the probability of a class for every voxel, by the grey values around it."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""

    @property
    def digest(self) -> str:
        """Digest of all that decides its results."""

    @property
    def memory_bytes(self) -> int:
        """Memory of a process that predicts, but for that of the voxels that it reads."""

    @property
    def grey_range(self) -> tuple[float, float] | None:
        """Where most grey values of the training data were; None if results do not depend on their scale."""

    def find_class(self, name: str) -> int:
        """Return the index of a class.

        Raises
        ------
        UnknownName
            If there is none of that name.
        """

    def problems(self, spec: VolumeSpec) -> Iterator[str]:
        """Yield why a volume is unlike the training data, as the ends of sentences."""

    def reach(self, scale_nm: Scale) -> tuple[int, int, int]:
        """Return the voxels (z, y, x) that it needs on every side."""

    def predict(self, image: NDArray[np.float32], where: Place, index: int) -> NDArray[np.uint8]:
        """Return the probability of a class, 255 for certainty.

        Parameters
        ----------
        image : (z, y, x) float32
            Grey values of the voxels to classify, with `reach` voxels more on every side.
        where : Place
            The voxels.
        index : int
            Class, from `find_class`.
        """


def load_classifier(path: str) -> PixelClassifier:
    """Read a pixel classifier from its card.

    Raises
    ------
    NotFound, CorruptData, UnsupportedFormat
        If the card or what belongs to it does not exist, or is invalid.
    """
    file = Path(path)
    try:
        state = file.stat()
    except OSError as error:
        raise NotFound(f"The pixel classifier {path} does not exist; expected the path of a card (.json)") from error
    return _load(file, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4)
def _load(file: Path, _time: int, _size: int) -> PixelClassifier:
    return read_classifier(read_document(file), file)


def read_classifier(text: bytes, file: Path) -> PixelClassifier:
    """Return the classifier that a card describes; other files are beside `file`. Cards of networks have a task."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptData(f"{file} is not the card of a pixel classifier: {error}; expected JSON") from error
    if not isinstance(content, dict):
        raise CorruptData(f"{file} is not the card of a pixel classifier; expected a JSON object")
    if "task" in content:
        return Network.read(content, file)
    fields = PIXELS.content(content, file)
    kind = str(fields.get("kind"))
    if kind not in _KINDS:
        raise UnknownName.of("kind of pixel classifier", kind, _KINDS)
    return _KINDS[kind](fields, file)


_KINDS: dict[str, Callable[[dict[str, Any], Path], PixelClassifier]] = {"forest": Forest.read, "mixture": Mixture.read}
