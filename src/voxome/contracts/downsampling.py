"""How voxels become coarser ones, by name."""

from __future__ import annotations

from typing import Literal

Method = Literal["mean", "mode", "max", "min", "stride"]
"""How the voxels of a cell become one; ``docs/downsampling.md`` has the rule of each."""
