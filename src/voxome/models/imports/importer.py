"""Import of a network: converted to ONNX, tried, and written with its card."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from google.protobuf.message import Message
from onnx.external_data_helper import load_external_data_for_model

from voxome.errors import NotFound, UnsupportedFormat
from voxome.models.cards import Model, ModelCard
from voxome.models.imports.config import ModelImport
from voxome.models.imports.graph import adapt
from voxome.models.imports.keras import read_keras
from voxome.models.imports.trial import error_text, try_network
from voxome.models.parity import require_deterministic
from voxome.resources.folders import require_outside_volumes
from voxome.storage.atomic import replacing

_LARGEST_BYTES = 2**31 - 1
"""Bytes of the largest ONNX file, which is a message of protobuf; the weights are in it."""


def import_model(source: Path, config: ModelImport, out: Path) -> Model:
    """Write ``out/NAME.onnx`` and its card ``out/NAME.json`` for a network that others trained.

    Parameters
    ----------
    source : Path
        ONNX (``.onnx``), TorchScript (``.pt``, ``.pth``, ``.ts``), or the HDF5 weights of Keras 1 (``.h5``, ``.hdf5``).
    config : ModelImport
        What the file does not say.
    out : Path
        Folder for the results; created if missing.

    Raises
    ------
    NotFound, UnsupportedFormat, InvalidInput
        If the file does not exist, is another one, or does not fit its description.
    """
    if not source.is_file():
        raise NotFound(f"The network {source} does not exist")
    read = _READERS.get(source.suffix.lower())
    if read is None:
        raise UnsupportedFormat(f"{source} is no network that voxome imports; expected {', '.join(_READERS)}")
    folder = require_outside_volumes(out)
    network = adapt(read(source, config), config)
    with TemporaryDirectory() as scratch:
        tried = Path(scratch) / "network.onnx"
        onnx.save(network, tried)
        require_deterministic(tried, tiles=config.layout == "tiles")
        try_network(tried, config)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{config.name}.onnx"
    with replacing(path) as partial:
        onnx.save(network, partial)
    card = ModelCard(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        norm=_norms(network, config),
        reproducible=False,
        training=f"imported from {source.name}{_origin(config)}",
        **config.model_dump(exclude={"dimensions", "padded", "output", "activation", "keras"}),
    )
    with replacing(path.with_suffix(".json")) as partial:
        partial.write_text(card.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return Model(path, card)


def _read_onnx(source: Path, _: ModelImport) -> onnx.ModelProto:
    _require_size(source, source.stat().st_size)
    try:
        network: onnx.ModelProto = onnx.load(source, load_external_data=False)
        outside = sum(_outside_bytes(tensor, source.parent) for tensor in _tensors(network))
    except Exception as error:  # onnx and protobuf raise many kinds
        raise UnsupportedFormat(f"{source} is not an ONNX file: {error_text(error)}") from error
    _require_size(source, source.stat().st_size + outside)
    try:
        load_external_data_for_model(network, str(source.parent))
        onnx.checker.check_model(network)
    except Exception as error:
        raise UnsupportedFormat(f"{source} is not an ONNX file: {error_text(error)}") from error
    return network


def _tensors(message: Message) -> Iterator[onnx.TensorProto]:
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for one in [value] if isinstance(value, Message) else value:
                yield from _tensors(one)


def _outside_bytes(tensor: onnx.TensorProto, folder: Path) -> int:
    """Return the bytes that a tensor has in a file beside the network; 0 if that is not there, as onnx will say."""
    entries = {one.key: one.value for one in tensor.external_data}
    file = folder / entries.get("location", "")
    return max(0, int(entries.get("length") or (file.stat().st_size if file.is_file() else 0)))


def _require_size(source: Path, nbytes: int) -> None:
    if nbytes > _LARGEST_BYTES:
        raise UnsupportedFormat(
            f"{source} has {nbytes:,} bytes with its weights; a network of at most {_LARGEST_BYTES:,} can be imported"
        )


def _read_torchscript(source: Path, config: ModelImport) -> onnx.ModelProto:
    from voxome.models.imports.torchscript import read_torchscript

    return read_torchscript(source, config)


_READERS: dict[str, Callable[[Path, ModelImport], onnx.ModelProto]] = {
    ".onnx": _read_onnx,
    ".pt": _read_torchscript,
    ".pth": _read_torchscript,
    ".ts": _read_torchscript,
    ".h5": read_keras,
    ".hdf5": read_keras,
}
"""Suffix → function that makes an ONNX network of a file."""


def _norms(network: onnx.ModelProto, config: ModelImport) -> str:
    names = {node.op_type for node in network.graph.node if node.op_type.endswith("Normalization")}
    if config.keras and any(layer.type == "normalization" for layer in config.keras.layers):
        names.add("BatchNormalization")
    return ", ".join(sorted(names)) or "none"


def _origin(config: ModelImport) -> str:
    keras = config.keras
    if keras is None:
        return ""
    facts = [f"Keras weights of {keras.backend}", f"columns {', '.join(map(str, keras.columns))}"]
    if keras.statistic:
        facts.append(
            f"statistics along {keras.statistics_axis}, stored as {keras.statistic}, epsilon {keras.epsilon:g}"
        )
    return f" ({'; '.join(facts)})"
