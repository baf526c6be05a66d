"""Cells in X-ray volume V2 (``VOXOME_SHARED``) by the pipeline ``xrm/cells_vessels.cwl``: contrast, then spheres.

``python benchmarks/xray_cells.py``. Truth are the components of the cell masks of sections 0 to 49, of which those with
a centroid below x = 120 (the first stored axis) were used to choose the settings, and the others are scored. Settings
are the defaults, but for a window of one section, since the brightness changes from section to section. A detection
counts for the part in which it is. Scores are those of `voxome.metrics.cells`, borders counted. Only the sections with
truth are read. The masks of annotator A3, one of the two of the truth by its name, are scored like detections.
"""

from __future__ import annotations

import gzip
import os
import struct
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import voxome
from voxome.metrics.cells import Cells, score_cells
from voxome.resources.table import TableFile
from voxome.workflow.verbs import run

PIPELINE = Path(__file__).parents[1] / "pipelines" / "xrm" / "cells_vessels.cwl"
FOLDER = Path(os.environ.get("VOXOME_SHARED", "../shared")) / "data" / "xray"
VOXEL_UM, TOLERANCE_UM, SPLIT, SECTIONS = 0.65, 6.5, 120, 50
NM = 1000 * VOXEL_UM
SECTION = {"tile_z_um": VOXEL_UM, "background_z_um": VOXEL_UM}
"""Settings of a window of one section."""
SPHERES = {"radii_um": (5.2, 6.5), "gap_um": 1.3, "z_stretch": 1.0, "threshold": 0.2, "stop": 0.3}
"""Spheres of the pipeline, for other probabilities."""
Points = NDArray[np.float64]


def read_nifti(path: Path) -> NDArray[np.uint8]:
    """Return the uint8 voxels (x, y, z) of a file whose unit code is unknown, so that `voxome.open` wants a size."""
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    shape = struct.unpack("<8h", data[40:56])[1:4]
    start = int(struct.unpack("<f", data[108:112])[0])
    return np.frombuffer(data, np.uint8, int(np.prod(shape)), start).reshape(shape, order="F")


def find_components(name: str) -> Points:
    """Return the centroids of the components of a mask, in voxels."""
    mask = read_nifti(FOLDER / name) > 0
    labels, count = ndimage.label(mask)
    return np.array(ndimage.center_of_mass(mask, labels, range(1, count + 1)))


def detect(raw: NDArray[Any]) -> Points:
    """Return the centres of cells in voxels."""
    voxels = raw.transpose(2, 1, 0)
    with tempfile.TemporaryDirectory() as name:
        uri = f"zarr://{name}/raw.zarr"
        spec = voxome.VolumeSpec.of(voxels.shape, voxels.dtype, voxel_size_nm=(NM, NM, NM))
        voxome.create(uri, spec)[...] = voxels
        z, y, x = voxels.shape
        run(PIPELINE, {"raw": uri, **SECTION}, out=Path(name) / "out", engine="sequential", block=(z, y, x))
        rows = TableFile(Path(name) / "out" / "cells.parquet").read()
    return np.stack([rows[f"{axis}_nm"] / NM for axis in "xyz"], axis=-1)


def show_scores(name: str, truth: Points, found: Points) -> None:
    score = score_cells(Cells(NM * truth), Cells(NM * found), TOLERANCE_UM)
    print(
        f"{name}: F1 {score.f1:.3f} ({score.f1_low:.2f} to {score.f1_high:.2f}), precision {score.precision:.3f}, "
        f"recall {score.recall:.3f}, {len(truth)} cells, {len(found)} detections"
    )


def main() -> None:
    if not FOLDER.exists():
        raise SystemExit(f"{FOLDER} does not exist; set VOXOME_SHARED to the folder with the data")
    raw = read_nifti(FOLDER / "v2_raw.nii")[:, :, :SECTIONS]
    truth, second = (find_components(f"Nmap_V2_{name}_z0-49.nii.gz") for name in ("A2_A3", "A3"))
    for who, found in (("pipeline", detect(raw)), ("annotator A3", second)):
        for part, of in (("tuned on, x < 120", np.less), ("scored, x >= 120", np.greater_equal)):
            show_scores(f"{who}, {part}", truth[of(truth[:, 0], SPLIT)], found[of(found[:, 0], SPLIT)])


if __name__ == "__main__":
    main()
