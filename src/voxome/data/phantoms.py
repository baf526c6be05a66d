"""Phantoms of all modalities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from voxome.calls import explain_calls
from voxome.contracts.arguments import require_count, require_function, require_path, require_voxels
from voxome.contracts.uri import Location
from voxome.data.outputs import Progress, silent
from voxome.errors import InvalidInput, UnknownName
from voxome.resources.folders import require_outside_volumes

if TYPE_CHECKING:
    from voxome.data.phantom.write import PhantomFiles
    from voxome.data.vascular.write import TissueFiles

MODALITIES = ("em", "xrm", "lm")
"""Electron, X-ray and light microscopy."""


@explain_calls
def phantom(
    folder: Location,
    *,
    shape: Sequence[int] = (128, 128, 128),
    seed: int = 0,
    modality: str = "em",
    density: str | None = None,
    progress: Progress = silent,
) -> PhantomFiles | TissueFiles:
    """Generate a phantom with ground truth.

    Parameters
    ----------
    folder : path
        Output folder, created if missing.
    shape : (z, y, x)
        Shape in voxels, of 10 nm (em), 650 nm (xrm), or 5000 × 2000 × 2000 nm (lm).
    seed : int
        Random seed; the same seed gives the same phantom.
    modality : {"em", "xrm", "lm"}
        Neuropil in electron microscopy, or cells and vessels in X-ray or fluorescence light microscopy.
    density : {"dense", "sparse"}, optional
        How many cells xrm and lm have; dense by default.
    progress : callable
        Called with the number of blocks done and their total.

    Returns
    -------
    PhantomFiles or TissueFiles
        Paths of the image and of its ground truth; the latter for xrm and lm.

    Raises
    ------
    InvalidInput
        If an argument is invalid, or the folder is inside a volume.
    AlreadyExists
        If the folder contains any of these.
    """
    voxels, number = require_voxels("shape", shape), require_count("seed", seed, 0)
    target = require_outside_volumes(Path(require_path("folder", folder)))
    require_function("progress", progress)
    if modality not in MODALITIES:
        raise UnknownName.of("modality", modality, MODALITIES)
    if modality == "em":
        if density is not None:
            raise InvalidInput(
                f"density is {density!r}, but a phantom of em has none; leave it out, or choose xrm or lm"
            )
        from voxome.data.phantom.spec import PhantomSpec
        from voxome.data.phantom.write import write_phantom

        return write_phantom(target, PhantomSpec(voxels, number), progress=progress)
    from voxome.data.vascular.spec import TissueSpec
    from voxome.data.vascular.write import write_phantom as write_tissue

    return write_tissue(target, TissueSpec(voxels, number, modality, density or "dense"), progress=progress)
