"""What the file of a network does not say, and its importer has to know."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from annotated_types import Ge, Gt, Interval, MinLen
from pydantic import Field, model_validator

from voxome.models.cards import Contrast, Count, Normalization
from voxome.models.train.documents import Config, FileName

Size = Annotated[int, Ge(1)]


class Layer(Config):
    """One layer of a Keras network.

    Attributes
    ----------
    type : what it does; ``normalization`` is batch normalisation with the statistics of the file.
    size : edge length of ``pool``, which takes the maximum of squares.
    """

    type: Literal["convolution", "relu", "pool", "normalization", "flatten", "dense", "softmax", "sigmoid"]
    size: Size = 2


class Keras(Config):
    """What the HDF5 weights of a Keras network do not say.

    Attributes
    ----------
    backend : library that trained it: ``theano`` flips kernels, ``tensorflow`` does not and has channels last.
    layers : the layers in order; their activations are layers of their own.
    statistics_axis : axis along which the statistics of ``normalization`` differ: ``channel``, or ``y`` or ``x`` of the
        image.
    statistic : what the file calls ``running_std``.
    epsilon : what is added to it.
    columns : output columns that are the channels.
    """

    backend: Literal["theano", "tensorflow"]
    layers: Annotated[tuple[Layer, ...], MinLen(1)]
    statistics_axis: Literal["channel", "y", "x"] | None = None
    statistic: Literal["std", "variance"] | None = None
    epsilon: Annotated[float, Interval(ge=0, le=0.1)] | None = None
    columns: Annotated[tuple[Count, ...], MinLen(1)]

    @model_validator(mode="after")
    def _check_statistics(self) -> Self:
        unset = [name for name in ("statistics_axis", "statistic", "epsilon") if getattr(self, name) is None]
        if unset and any(layer.type == "normalization" for layer in self.layers):
            raise ValueError(f"the layers have normalization, so set {', '.join(unset)} too")
        return self


class ModelImport(Config):
    """Description of a network to import; see `voxome.models.cards.ModelCard` for what is not explained here.

    Attributes
    ----------
    dimensions : axes of the network: 2 if its input is (n, 1, y, x), 3 if it is (n, 1, z, y, x).
    padded : whether its output is as large as its input, so that `context` voxels are cut off on every side.
    output : name of the output that is the probability, of a network with several.
    activation : what makes probabilities of its output, unless it does so itself.
    keras : for HDF5 weights.
    """

    name: FileName
    version: str = "1"
    task: Annotated[str, MinLen(1)]
    licence: str
    data: str
    attribution: str
    voxel_size_nm: tuple[Annotated[float, Gt(0)], Annotated[float, Gt(0)], Annotated[float, Gt(0)]]
    dtype: str
    contrast: Contrast
    channels: Annotated[tuple[str, ...], MinLen(1)]
    offsets: tuple[tuple[int, int, int], ...] = ()
    context: tuple[Count, Count, Count]
    stride: tuple[Size, Size, Size] = (1, 1, 1)
    normalization: Normalization
    layout: Literal["tiles", "patches"] = "tiles"
    dimensions: Literal[2, 3]
    padded: bool = False
    output: str = ""
    activation: Literal["none", "sigmoid", "softmax"] = "none"
    scores: dict[str, dict[str, float]] = Field(default_factory=dict)
    keras: Keras | None = None

    @model_validator(mode="after")
    def _check_axes(self) -> Self:
        if self.dimensions == 2 and (self.context[0] or self.stride[0] != 1):
            raise ValueError("a network of 2 dimensions has context 0 and stride 1 along z")
        if self.layout == "patches" and (self.dimensions != 2 or self.padded):
            raise ValueError("patches are those of a network of 2 dimensions, which is not padded")
        return self
