"""Import of networks that others trained: ONNX, TorchScript and the HDF5 weights of Keras; requires onnx."""

from voxome.extras import require

require("train", "onnx", "onnxruntime")
