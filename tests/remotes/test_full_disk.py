"""A full disk: an error of ours, and nothing half-written that opens as whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import voxome
from voxome.errors import VoxomeError

pytestmark = pytest.mark.slow

CODE = """
import resource, sys
import numpy as np
import voxome
from voxome.errors import StoreError

uri, options = sys.argv[1], {"format": sys.argv[2]} if sys.argv[2] else None
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    created = voxome.create(uri, voxome.VolumeSpec.of((4, 400, 400), "uint8", encoding=options))
    created[...] = np.random.default_rng(0).integers(0, 255, created.shape)
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("npy://{}/a.npy", ""),
        ("nifti://{}/a.nii", ""),
        ("nifti://{}/a.nii.gz", ""),
        ("hdf5://{}/a.h5/v", ""),
        ("images://{}/a", "tiff"),
        ("images://{}/a", "png"),
    ],
)
def test_a_full_disk(tmp_path: Path, place: str, kind: str) -> None:
    uri = place.format(tmp_path)
    done = subprocess.run([sys.executable, "-c", CODE, uri, kind], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert str(tmp_path / "a") in done.stdout
    assert not list(tmp_path.rglob("*.part"))
    try:
        left = voxome.open(uri)[...]
    except VoxomeError:
        return
    assert not left.any()
