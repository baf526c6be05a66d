"""Protobuf messages of DVID's API, built from the descriptions in its documentation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from voxome.errors import CorruptData
from voxome.extras import require

if TYPE_CHECKING:
    from google.protobuf import descriptor_pb2
    from google.protobuf.message import Message

_PACKAGE = "voxome.dvid"
_MAP = "map"
_FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "KeyValue": [("key", 1, "string"), ("value", 2, "bytes")],
    "KeyValues": [("kvs", 1, "repeated KeyValue")],
    "Keys": [("keys", 1, "repeated string")],
    "SVCount": [("counts", 1, "map uint32")],
    "LabelIndex": [
        ("blocks", 1, "map SVCount"),
        ("label", 2, "uint64"),
        ("last_mutid", 3, "uint64"),
        ("last_mod_time", 4, "string"),
        ("last_mod_user", 5, "string"),
        ("last_mod_app", 6, "string"),
    ],
    "LabelIndices": [("indices", 1, "repeated LabelIndex")],
}
"""Name, number and type of the fields of each message; the keys of maps are uint64."""


def new_message(name: str) -> Any:
    """Return an empty message."""
    return _classes()[name]()


def parse_message(name: str, data: bytes, what: str) -> Any:
    """Parse a message.

    Raises
    ------
    CorruptData
        If it is malformed; the error message begins with `what`.
    """
    message = _classes()[name]
    from google.protobuf.message import DecodeError

    try:
        return message.FromString(data)
    except DecodeError as error:
        raise CorruptData(f"{what}: {len(data)} bytes are not a protobuf message {name}") from error


def encode_key_values(items: Mapping[str, bytes]) -> bytes:
    """Encode a KeyValues message."""
    out = new_message("KeyValues")
    for key, value in items.items():
        out.kvs.add(key=key, value=value)
    return bytes(out.SerializeToString())


def encode_keys(keys: Iterable[str]) -> bytes:
    """Encode a Keys message."""
    out = new_message("Keys")
    out.keys.extend(keys)
    return bytes(out.SerializeToString())


@cache
def _classes() -> Mapping[str, type[Message]]:
    require("dvid", "google.protobuf")
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="voxome/dvid.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _FIELDS.items():
        descriptor = file.message_type.add(name=name)
        for field, number, type_name in fields:
            repeat, _, inner = type_name.rpartition(" ")
            if repeat == _MAP:
                _add_entry(descriptor, field, inner)
                inner = f"{name}.{_entry(field)}"
            _add_field(descriptor, field, number, inner, repeated=bool(repeat))
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {n: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{n}")) for n in _FIELDS}


def _entry(field: str) -> str:
    """Return protobuf's name for the message of a map entry."""
    return f"{field.title()}Entry"


def _add_entry(owner: descriptor_pb2.DescriptorProto, field: str, type_name: str) -> None:
    entry = owner.nested_type.add(name=_entry(field))
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "uint64")
    _add_field(entry, "value", 2, type_name)


def _add_field(
    owner: descriptor_pb2.DescriptorProto, name: str, number: int, type_name: str, *, repeated: bool = False
) -> None:
    from google.protobuf.descriptor_pb2 import FieldDescriptorProto as proto

    field = owner.field.add(name=name, number=number)
    field.label = proto.LABEL_REPEATED if repeated else proto.LABEL_OPTIONAL
    if type_name[0].islower():
        field.type = proto.Type.Value(f"TYPE_{type_name.upper()}")
    else:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{type_name}"
