"""Every zarr array that others wrote reads right, or is refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voxome.contracts.uri import Uri
from voxome.errors import UnsupportedFormat, VoxomeError
from voxome.remotes.zarr.remote import ZarrRemote

FORMATS = Path(__file__).parents[3] / "shared" / "formats"
