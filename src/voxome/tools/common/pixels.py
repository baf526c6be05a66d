"""Probability of a class of voxels, by any pixel classifier."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from voxome import kinds
from voxome.contracts.context import BlockContext
from voxome.contracts.python_tool import tool
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, UnknownName
from voxome.models.pixels.classifier import PixelClassifier, load_classifier, read_classifier
from voxome.models.pixels.extension import extend
from voxome.models.pixels.mixture import Mixture
from voxome.models.pixels.place import Place
from voxome.models.pixels.suitability import range_difference
from voxome.resources.table import TableFile
from voxome.storage.path import StoragePath
from voxome.tools.common.contrast.unusual import sample_sections
from voxome.tools.common.flatness import flat_areas
from voxome.tools.common.gaps import LONGEST, NO_DATA, interpolate_bridged, known_tissue
from voxome.tools.common.statistics import HISTOGRAM, moments

Scale = tuple[float, float, float]


def _halo(parameters: Mapping[str, Any], scale_nm: Scale) -> tuple[int, int, int]:
    path = parameters["classifier"]
    z, y, x = (0, 0, 0) if path is None else load_classifier(path).reach(scale_nm)
    return 3 * z + LONGEST, 3 * y, 3 * x


def _problems(specs: Mapping[str, VolumeSpec], parameters: Mapping[str, Any]) -> Iterator[str]:
    if parameters["classifier"] is None:
        return
    classifier = load_classifier(parameters["classifier"])
    try:
        classifier.find_class(parameters["class_name"])
    except UnknownName as error:
        yield str(error)
    if "image" in specs:
        yield from (f"image {problem}" for problem in classifier.problems(specs["image"]))


def _unusual(name: str, blocks: Iterable[NDArray[Any]], parameters: Mapping[str, Any]) -> Iterator[str]:
    path = parameters["classifier"]
    grey_range = None if path is None else load_classifier(path).grey_range
    if name != "image" or grey_range is None:
        return
    sections = sample_sections(blocks)
    tissue = [section[~flat_areas(section)] for section in sections]
    if tissue and (problem := range_difference(np.concatenate(tissue), grey_range, Path(path).name)):
        yield problem


def _digest(parameters: Mapping[str, Any]) -> str:
    return "none" if parameters["classifier"] is None else load_classifier(parameters["classifier"]).digest


def _memory(voxels: int, parameters: Mapping[str, Any]) -> int:
    path = parameters["classifier"]
    return 16 * voxels + (Mixture if path is None else load_classifier(path)).memory_bytes


@tool(
    "common.pixels",
    halo=_halo,
    outputs={"probability": kinds.Probability()},
    check=_problems,
    examine=_unusual,
    memory=_memory,
    content=_digest,
)
def pixels(
    image: Annotated[NDArray[Any], kinds.Image()],
    tissue: Annotated[NDArray[np.uint8] | None, kinds.Image("uint8")] = None,
    mixture: Annotated[StoragePath | None, kinds.File("json")] = None,
    histogram: Annotated[TableFile | None, HISTOGRAM] = None,
    *,
    class_name: str,
    classifier: str | None = None,
    block: BlockContext,
) -> dict[str, NDArray[np.uint8]]:
    """Estimate the probability that voxels are of a class, with a mixture of grey values, a forest or a network.

    Parameters
    ----------
    image : (z, y, x) array
        Grey values of any dtype.
    tissue : (z, y, x) array of uint8, optional
        Tissue map from ``common.tissue``. Gaps of a section or two are interpolated, and the tissue around voxels
        without data is mirrored into them, where the result is 0. So are those that are NaN.
    mixture : file, optional
        Classifier that ``common.mixture`` has fitted to this volume, which is used if `classifier` is not set.
    histogram : table, optional
        Histogram of the volume, from ``common.statistics``, for networks that take its mean and standard deviation.
    class_name : str
        Class of the classifier, or channel of the network; of a mixture ``darkest``, ``brightest``, or a number from
        0, the darkest.
    classifier : str
        Path of the card of a pixel classifier or network.

    Returns
    -------
    probability : (z, y, x) array of uint8
        255 is certain.
    """
    chosen = _find(classifier, mixture)
    index = chosen.find_class(class_name)
    inner = block.write.within(block.read)
    known = np.ones(image.shape, bool)
    if tissue is not None:
        tissue = known_tissue(tissue, block)
        image, known = interpolate_bridged(image, tissue), tissue != NO_DATA
    if image.dtype.kind == "f":
        known &= ~np.isnan(image)
    if not known[inner].any():
        return {"probability": np.zeros(block.write.shape, np.uint8)}
    scale_nm = block.frame.scale_nm
    reach = chosen.reach(scale_nm)
    grey = extend(image, known, block.read, block.write.grow(reach), reach)
    found = chosen.predict(grey, Place(block.write, block.frame.domain, scale_nm, _moments(histogram)), index)
    return {"probability": np.where(known[inner], found, np.uint8(0))}


def _moments(histogram: TableFile | None) -> tuple[float, float] | None:
    rows = None if histogram is None else histogram.read()
    return None if rows is None or not len(rows["value"]) else moments(rows)


def _find(classifier: str | None, mixture: StoragePath | None) -> PixelClassifier:
    if classifier is not None:
        return load_classifier(classifier)
    if mixture is None:
        raise InvalidInput(
            "There is no pixel classifier; set classifier to the card of one, or connect mixture to common.mixture"
        )
    return read_classifier(mixture.read_bytes() or b"", Path(str(mixture)))
