"""Training of networks with valid convolutions; requires torch."""

from voxome.extras import require

require("train", "torch", "onnx", "onnxruntime")
