"""Protocol buffers as far as DVID's messages use them: varints and length-delimited fields.

Written from the public description of the wire format, https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from standins.dvid.calls import Refusal

Field = tuple[int, int | bytes]


def varint(value: int) -> bytes:
    """Encode an unsigned integer."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(fields: Iterable[Field]) -> bytes:
    """Encode numbered fields; zeros are omitted."""
    out = bytearray()
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value) if value else b""
        else:
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return bytes(out)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def decode(data: bytes) -> list[Field]:
    """Decode numbered fields."""
    fields: list[Field] = []
    at = 0
    try:
        while at < len(data):
            key, at = _varint(data, at)
            value, at = _varint(data, at)
            if key & 7 == 2:
                if at + value > len(data):
                    raise IndexError
                fields.append((key >> 3, data[at : at + value]))
                at += value
            elif key & 7 == 0:
                fields.append((key >> 3, value))
            else:
                raise IndexError
    except IndexError:
        raise Refusal("unexpected EOF in protocol buffer") from None
    return fields


def decode_keys(data: bytes) -> list[str]:
    """Decode ``Keys``: a list of keys."""
    return [text(value) for number, value in decode(data) if number == 1]


def encode_keyvalues(values: Mapping[str, bytes]) -> bytes:
    """Encode ``KeyValues``: a list of key and value."""
    return encode((1, encode([(1, key.encode()), *([(2, value)] if value else [])])) for key, value in values.items())


def decode_keyvalues(data: bytes) -> dict[str, bytes]:
    """Decode ``KeyValues``: a list of key and value."""
    pairs = [dict(decode(content(value))) for number, value in decode(data) if number == 1]
    return {text(pair.get(1, b"")): content(pair.get(2, b"")) for pair in pairs}


def content(value: int | bytes) -> bytes:
    """Return a field as bytes; empty if it is an integer."""
    return value if isinstance(value, bytes) else b""


def text(value: int | bytes) -> str:
    """Return a field as a string."""
    try:
        return content(value).decode()
    except UnicodeDecodeError:
        raise Refusal("string field contains invalid UTF-8") from None


def number(value: int | bytes) -> int:
    """Return a field as an integer; 0 if it is bytes."""
    return value if isinstance(value, int) else 0


def messages(fields: Iterable[Field], repeated: int) -> list[list[Field]]:
    """Decode the messages of a repeated field."""
    return [decode(content(value)) for key, value in fields if key == repeated]


def packed(value: int | bytes) -> list[int]:
    """Decode a repeated integer field, packed or not."""
    if isinstance(value, int):
        return [value]
    numbers, at = [], 0
    try:
        while at < len(value):
            n, at = _varint(value, at)
            numbers.append(n)
    except IndexError:
        raise Refusal("unexpected EOF in protocol buffer") from None
    return numbers
