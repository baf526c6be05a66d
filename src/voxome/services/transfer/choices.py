"""Choices of a transfer, by name; the command line offers the same, without importing the rest."""

from __future__ import annotations

from typing import Literal

Verify = Literal["none", "sampled", "all"]
"""Blocks to read back and compare."""
Droppable = Literal["start", "voxel_size", "offset", "attributes"]
"""Properties that a destination need not keep."""
