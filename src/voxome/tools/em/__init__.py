"""Tools for electron microscopy."""

from voxome.extras import require

require("em", "cc3d", "mwatershed", "networkx", "numba", "onnxruntime")
