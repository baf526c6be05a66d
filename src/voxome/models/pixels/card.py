"""Files of pixel classifiers: a JSON card, and for a forest an archive of its trees beside it."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Len
from pydantic import BaseModel, ConfigDict, FiniteFloat

from voxome.contracts.formats import PIXELS
from voxome.models.pixels.features import FeatureName


class _Card(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FeatureChoice(_Card):
    """A filter at a scale; see `voxome.models.pixels.features.Feature`."""

    name: FeatureName
    sigma_um: Annotated[FiniteFloat, Gt(0)]


class ForestCard(_Card):
    """Description of a random forest.

    Attributes
    ----------
    file, sha256 : name of the archive of trees in the folder of the card, and its SHA-256.
    classes : names of the classes.
    features : features, in the order of the trees.
    dimensions : 2 if sections are classified independently of each other.
    voxel_size_nm : voxel size (z, y, x) of the training data.
    dtype : data type of the training data.
    intensity_range : grey values (percentiles 0.5 and 99.5 of the training data) that features see as 0 and 1.
    scores : scores by name.
    """

    kind: Literal["forest"] = "forest"
    name: str
    version: str = "1"
    file: str
    sha256: str
    classes: Annotated[tuple[str, ...], Len(2)]
    features: Annotated[tuple[FeatureChoice, ...], Len(1)]
    dimensions: Literal[2, 3]
    voxel_size_nm: tuple[FiniteFloat, FiniteFloat, FiniteFloat]
    dtype: str
    intensity_range: tuple[FiniteFloat, FiniteFloat]
    licence: str = "unknown"
    attribution: str = ""
    data: str = ""
    training: str = ""
    scores: dict[str, dict[str, float]] = {}


class Component(_Card):
    """A Gaussian of a mixture: its share of the voxels, and mean and standard deviation in grey values."""

    weight: Annotated[FiniteFloat, Ge(0)]
    mean: FiniteFloat
    std: Annotated[FiniteFloat, Gt(0)]


class MixtureCard(_Card):
    """Description of a mixture of Gaussians of grey values.

    Attributes
    ----------
    components : the Gaussians, the darkest first.
    voxels : number of voxels that it was fitted to.
    """

    kind: Literal["mixture"] = "mixture"
    components: Annotated[tuple[Component, ...], Len(2)]
    voxels: int


def write_card(card: ForestCard | MixtureCard) -> bytes:
    """Return the JSON text of a card."""
    import json

    return (json.dumps(PIXELS.stamp(card.model_dump(mode="json")), indent=1, sort_keys=False) + "\n").encode()
