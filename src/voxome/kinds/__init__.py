"""Kinds of data between steps: volumes, tables, tables of regions, files."""

from voxome.contracts.kinds import Kind, Reader, Rows, Target, Writer
from voxome.kinds.file import File
from voxome.kinds.image import Image, Labels, Probability
from voxome.kinds.region_table import RegionTable
from voxome.kinds.table import Table

__all__ = [
    "File",
    "Image",
    "Kind",
    "Labels",
    "Probability",
    "Reader",
    "RegionTable",
    "Rows",
    "Table",
    "Target",
    "Writer",
]
