"""Training of the affinity network; requires torch."""

from voxome.extras import require

require("train", "torch", "onnx")
