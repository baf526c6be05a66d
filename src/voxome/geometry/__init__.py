"""Boxes, grids of blocks, axes and units; needs numpy only."""

from voxome.geometry.box import Box
from voxome.geometry.grid import Block, BlockGrid

__all__ = ["Block", "BlockGrid", "Box"]
