"""Training of the affinity network on labelled volumes, as by ``voxome train``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voxome.errors import InvalidInput
from voxome.geometry.box import Box
from voxome.models.cards import Contrast, Model, load
from voxome.models.train import data, loop
from voxome.models.train.export import publish
from voxome.models.train.network import AffinityNet
from voxome.models.train.validate import boundary_scores
from voxome.resources.folders import require_outside_volumes
from voxome.resources.labels import require_labels
from voxome.resources.open import open_source
from voxome.resources.volume_like import as_volume


@dataclass(frozen=True, slots=True)
class Truth:
    """URIs of an image and its labels, and the box to use (their overlap if None)."""

    raw: str
    labels: str
    box: Box | str | None = None

    def region(self) -> Box:
        """Return the box to use.

        Raises
        ------
        InvalidInput
            If the labels are an image, or the image is labels, or the box is not inside both.
        """
        image, labels = as_volume(self.raw), require_labels(self.labels)
        if image.ndim != 3 or image.spec.kind == "labels":
            raise InvalidInput(
                f"{self.raw} has axes {'/'.join(image.axes)} and is {image.spec.kind} data of {image.dtype}; expected "
                "an image along z, y and x"
            )
        common = image.domain & labels.domain
        box = common if self.box is None else Box.of(self.box, common)
        if box.empty or box not in common:
            raise InvalidInput(f"The box {box} is not inside {common}, which {self.raw} and {self.labels} share")
        return box


def train(
    truth: Truth,
    out: Path,
    *,
    settings: loop.Settings,
    held_out: Truth | None = None,
    others: Sequence[Truth] = (),
    name: str = "model",
    version: str = "1",
    licence: str = "unknown",
    attribution: str = "",
    command: str = "",
) -> Model:
    """Train a network, and write ``out/NAME.onnx`` and its card ``out/NAME.json`` about every ten minutes.

    An interrupted training resumes when it is started again with the same `out`.

    Parameters
    ----------
    truth : Truth
        Image and labels (z, y, x) with isotropic voxels. Training uses every labelled voxel.
    out : Path
        Folder for the checkpoint and the results; created if missing.
    settings : loop.Settings
        Duration and other settings.
    held_out : Truth, optional
        Data for the boundary scores of the card.
    others : sequence of Truth
        Other volumes to train on.
    name, version, licence, attribution, command : str
        Entries of the card.

    Returns
    -------
    Model
        ONNX file and card.

    Raises
    ------
    InvalidInput
        If the labels are an image, the labelled box is too small for patches, or the checkpoint to start from is
        missing.
    """
    box, *_ = [pair.region() for pair in (truth, *others)]
    if held_out is not None:
        held_out.region()
    if settings.start is not None and not settings.start.is_file():
        raise InvalidInput(f"The checkpoint {settings.start} does not exist; use the checkpoint.pt of another training")
    if min(box.shape) < 32:
        raise InvalidInput(f"The labelled box {box} is too small: each axis needs at least 32 voxels")
    require_outside_volumes(out).mkdir(parents=True, exist_ok=True)
    image = open_source(truth.raw)
    grey = image.read(box)
    facts = {
        "name": name,
        "version": version,
        "licence": licence,
        "attribution": attribution,
        "data": f"{truth.raw} {box}",
        "voxel_size_nm": image.spec.voxel_size_nm or (1.0, 1.0, 1.0),
        "dtype": str(image.spec.dtype),
        "contrast": Contrast(
            mean=float(grey.mean()),
            std=float(grey.std()),
            percentile_1=float(np.percentile(grey, 1)),
            percentile_99=float(np.percentile(grey, 99)),
        ),
    }
    check = None if held_out is None else data.load(held_out.raw, held_out.labels, held_out.region())

    def report(net: AffinityNet, state: loop.Progress) -> None:
        scores = {} if check is None else {"held out": boundary_scores(net, check)}
        spent = f"{command} ({state.step} steps in {state.seconds / 60:.0f} minutes)".strip()
        publish(net, out, {**facts, "scores": scores, "training": spent})

    volumes = [data.load(pair.raw, pair.labels, pair.region()) for pair in (truth, *others)]
    loop.Training(volumes, out, settings, report).run()
    return load(out / f"{name}.json")
