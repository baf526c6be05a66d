"""Train the affinity network on one labelled volume; what ``voxome train`` calls."""

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
from voxome.resources.open import open_source


@dataclass(frozen=True, slots=True)
class Truth:
    """Two URIs, raw and labels, and the box of both to use (what both hold if None)."""

    raw: str
    labels: str
    box: Box | None = None

    def region(self) -> Box:
        """The box to use."""
        if self.box is not None:
            return self.box
        return open_source(self.raw).spec.domain & open_source(self.labels).spec.domain


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
    """Train for ``settings.minutes``, and write ``out/NAME.onnx`` with its card ``out/NAME.json`` about every
    ten minutes.

    A stopped training continues when it is started again with the same `out`.

    Parameters
    ----------
    truth : Truth
        Raw and labels (z, y, x) with isotropic voxels. Every labelled voxel is learned from.
    out : Path
        Folder of the checkpoint and the results; made if absent.
    settings : loop.Settings
        How long, and all else.
    held_out : Truth, optional
        Where the boundary scores of the card are measured.
    others : sequence of Truth
        Further volumes, mixed in.
    name, version, licence, attribution, command : str
        For the card.

    Returns
    -------
    Model
        The files and the card.

    Raises
    ------
    InvalidInput
        If the labelled box is too small to cut patches from, or the checkpoint to start from is missing.
    """
    box = truth.region()
    if settings.start is not None and not settings.start.is_file():
        raise InvalidInput(f"no checkpoint {settings.start} to start from: give the checkpoint.pt of another training")
    if min(box.shape) < 32:
        raise InvalidInput(f"the labelled box {box} is too small to train on: each axis needs 32 voxels or more")
    out.mkdir(parents=True, exist_ok=True)
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

    known = [data.load(one.raw, one.labels, one.region()) for one in (truth, *others)]
    loop.Training(known, out, settings, report).run()
    return load(out / f"{name}.json")
