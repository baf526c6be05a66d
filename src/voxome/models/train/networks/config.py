"""Configuration of the training of a network."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Interval, Le, MinLen
from pydantic import field_validator

from voxome.models.train.documents import Config, FileName

Count = Annotated[int, Ge(1)]
Width = Annotated[int, Interval(ge=1, le=4096)]
Index = Annotated[int, Ge(0)]
Fraction = Annotated[float, Interval(ge=0, le=1)]
Positive = Annotated[float, Gt(0)]


class Truth(Config):
    """Image and labels of one volume.

    Attributes
    ----------
    raw, labels : URIs of volumes (z, y, x).
    box : voxels of the labels to use; all that both volumes have if empty.
    kind : ``dense`` if every voxel is annotated, ``sparse`` if label 0 is not annotated.
    background : label of what is none of the objects, in sparse labels.
    zero_is_boundary : whether label 0 is the boundary between objects, for affinities; it is not annotated otherwise.
    share : how often patches are taken from this volume, relative to the others.
    """

    raw: str
    labels: str
    box: str = ""
    kind: Literal["dense", "sparse"] = "dense"
    background: Index = 1
    zero_is_boundary: bool = False
    share: Positive = 1.0


class Network(Config):
    """Form of the network.

    Attributes
    ----------
    dimensions : 2 for sections one by one, 3 for volumes.
    widths : feature maps at full resolution, at half, in the decoder at half, and at quarter resolution.
    units : residual units at quarter resolution; each adds 8 voxels of context.
    flat_levels : levels, from the finest, whose convolutions do not mix sections; by the voxel size if left out.
    norm : layers of normalisation: none.
    """

    dimensions: Literal[2, 3] = 3
    widths: tuple[Width, Width, Width, Width] = (16, 32, 48, 72)
    units: Annotated[int, Interval(ge=0, le=8)] = 3
    flat_levels: Annotated[int, Interval(ge=0, le=2)] | None = None
    norm: str = "none"

    @field_validator("norm")
    @classmethod
    def _check_norm(cls, value: str) -> str:
        if value != "none":
            raise ValueError(
                f"{value!r} norm is not offered: statistics of a tile or batch make results depend on the blocks; "
                "write 'none'"
            )
        return value


class Augmentation(Config):
    """Random changes of patches.

    Attributes
    ----------
    symmetries : whether patches are mirrored and turned by 90°, where voxels allow it.
    warped : share of the patches that are also rotated, scaled and deformed.
    rotation_degrees, scale, elastic_voxels : largest rotation, change of scale, and amplitude of the deformation.
    reach : voxels beyond the context that a patch may show; farther ones are mirrored.
    grey_values : whether contrast, gamma, sharpness and noise are changed.
    damaged : share of the patches in which sections are lost, or darker or brighter.
    """

    symmetries: bool = True
    warped: Fraction = 0.5
    rotation_degrees: Annotated[float, Interval(ge=0, le=180)] = 45.0
    scale: Annotated[float, Interval(ge=0, le=0.5)] = 0.12
    elastic_voxels: Annotated[float, Ge(0)] = 2.5
    reach: Index = 8
    grey_values: bool = True
    damaged: Fraction = 0.15


class Card(Config):
    """What only you know of the model: entries of its card."""

    name: FileName = "model"
    version: str = "1"
    licence: str = "unknown"
    attribution: str = ""
    data: str = ""


class NetworkConfig(Config):
    """Configuration of the training of a network.

    Attributes
    ----------
    data, validation : volumes to train on, and to validate with.
    network, augmentation, card : their own tables.
    voxel_size_nm : voxel size (z, y, x), of volumes that have none.
    patch : voxels (z, y, x) that the network predicts at a time, multiples of its stride.
    batch, steps, epoch_steps : patches of a step, steps of the training, and steps of an epoch.
    learning_rate, schedule, warm_up, weight_decay : settings of AdamW; `warm_up` is a share of the steps.
    ema : decay of the running average of the weights, which is what is validated and published.
    class_balance : weights of classes by their frequency in a patch: its inverse, the root of it, or none.
    foreground : share of the patches around an object.
    seed, threads, workers, device : random seed, torch threads, threads that prepare patches, and torch device.
    validate_steps : steps between validations.
    patience : validations without a better one after which the training ends; 0 trains all steps.
    checkpoint_minutes : minutes between checkpoints.
    start : model, card or checkpoint whose weights are the first ones.
    new_head : whether the last layer is new, as for another task.
    offsets : (z, y, x) of the affinities, for this task only.
    """

    data: Annotated[tuple[Truth, ...], MinLen(1)]
    validation: tuple[Truth, ...] = ()
    network: Network = Network()
    augmentation: Augmentation = Augmentation()
    card: Card = Card()
    voxel_size_nm: tuple[Positive, Positive, Positive] | None = None
    patch: tuple[Count, Count, Count] | None = None
    batch: Annotated[int, Interval(ge=1, le=4096)] = 1
    steps: Count = 10_000
    epoch_steps: Count = 100
    learning_rate: Positive = 2e-3
    schedule: Literal["cosine", "constant"] = "cosine"
    warm_up: Fraction = 0.02
    weight_decay: Annotated[float, Ge(0)] = 1e-4
    ema: Annotated[float, Interval(ge=0, lt=1)] = 0.998
    class_balance: Literal["root", "inverse", "none"] = "root"
    foreground: Fraction = 0.5
    seed: Annotated[int, Interval(ge=0, lt=2**63)] = 1
    threads: Annotated[int, Interval(ge=1, le=1024)] = 2
    workers: Annotated[int, Interval(ge=0, le=64)] = 0
    device: str = "cpu"
    validate_steps: Count = 500
    patience: Index = 0
    checkpoint_minutes: Annotated[float, Gt(0), Le(1440)] = 10.0
    start: str = ""
    new_head: bool = False
    offsets: tuple[tuple[int, int, int], ...] | None = None


FREE = {"checkpoint_minutes", "workers", "card"}
"""Settings that may change when a training is resumed: no weight depends on them."""
