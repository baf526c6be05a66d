"""Kinds of data between steps: volumes, tables, rows by region and by group of ids, arrays of blocks, meshes, files."""

from voxome.contracts.kinds import Kind, Reader, Rows, Target, Writer
from voxome.kinds.block_arrays import BlockArrays
from voxome.kinds.file import File
from voxome.kinds.groups import Groups
from voxome.kinds.image import Image, Labels, Mask, Probability, Regions
from voxome.kinds.region_table import RegionTable
from voxome.kinds.shapes import Meshes, Skeletons
from voxome.kinds.table import Table

__all__ = [
    "BlockArrays",
    "File",
    "Groups",
    "Image",
    "Kind",
    "Labels",
    "Mask",
    "Meshes",
    "Probability",
    "Reader",
    "RegionTable",
    "Regions",
    "Rows",
    "Skeletons",
    "Table",
    "Target",
    "Writer",
]
