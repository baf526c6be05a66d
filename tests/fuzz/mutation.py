"""Damage to bytes and to JSON documents."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from random import Random
from typing import Any

_EDGES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 1 << 24, 1 << 30, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**53 + 1, 2**63, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, "", "x", "\0", "..",
    "a\ud800b", "a\nb\x1b[31m", "../../etc", "/etc", "9" * 5000, "é" * 300, [], [0], [-1, -1, -1], [0, 0, 0],
    [2**40] * 3, [1, 2], ["a", "b"], {}, {"a": 1}, [[[]]], "uint8", "float16", "object", "<f8", "|O", ">u8", "NaN",
    '"token": "' + "\\" * 60, "http://a:b" * 1000,
)  # fmt: skip
_VALUE = re.compile(rb'(?:"|>|=|: )([^"<>=\n]+)(?="|<|\n|,|})')
_TEXTS = (
    b"0", b"-1", b"1", b"3", b"4", b"65536", b"2147483648", b"99999999999", b"9" * 400, b"1e308", b"-1e-9", b"nan",
    b"inf", b"1,5", b" ", b"x", b"\xff\xfe", b"\xc2\xb5m", b"&#0;", b"../b.tif", b"/etc/hostname", b"b.tif", b"a\0b",
    b"XYCZT", b"ZZZZZ", b"uint8", b"double-complex", b"true", b"pixel", b"furlong", b"A" * 70_000,
)  # fmt: skip
"""Values of metadata that are texts."""
_LONGEST = 70_000
"""Bytes of a value."""


def mutate(random: Random, seeds: Sequence[bytes], header: int = 16) -> bytes:
    """Return one of the seeds, damaged in one to four places; more than half of the time behind its header."""
    data = bytearray(random.choice(seeds))
    first = header if len(data) > 1.5 * header and random.random() < 0.6 else 0
    for _ in range(random.choice((1, 1, 2, 4))):
        if len(data) <= first:
            data += random.randbytes(random.randrange(1, 20))
            continue
        at = random.randrange(first, len(data))
        match random.randrange(7):
            case 0:
                data[at] ^= 1 << random.randrange(8)
            case 1:
                data[at] = random.randrange(256)
            case 2:
                del data[at:]
            case 3:
                width = random.choice((2, 4, 8))
                data[at : at + width] = random.choice(_EDGES).to_bytes(8, "little")[:width]
            case 4:
                data[at:at] = random.randbytes(random.randrange(1, 33))
            case 5:
                del data[at : at + random.randrange(1, 33)]
            case _:
                source = random.randrange(len(data))
                data[at : at + 16] = data[source : source + 16]
    return bytes(data)


def mutate_values(random: Random, text: bytes) -> bytes:
    """Return a text in which one to three values are replaced, removed or doubled: of attributes, elements or keys."""
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_VALUE.finditer(text))
        if not places:
            return text
        place = random.choice(places)
        old = place[1]
        match random.randrange(5):
            case 0:
                new = b""
            case 1:
                new = (old * random.choice((2, 9, 400)))[:_LONGEST]
            case 2:
                new = random.choice(places)[1]
            case _:
                new = random.choice(_TEXTS)
        text = text[: place.start(1)] + new + text[place.end(1) :]
    return text


def mutate_json(random: Random, document: Any) -> Any:
    """Return a copy of a document in which one to three values are replaced, renamed, doubled or removed."""
    changed = json.loads(json.dumps(document))
    for _ in range(random.choice((1, 1, 2, 3))):
        places = list(_places(changed))
        if not places:
            return _any_value(random)
        container, key = random.choice(places)
        value = container[key]
        match random.randrange(6):
            case 0:
                del container[key]
            case 1 if isinstance(container, list):
                container.insert(key, _any_value(random))
            case 1:
                container[f"{key}x"] = container.pop(key)
            case 2:
                other, at = random.choice(places)
                container[key] = json.loads(json.dumps(other[at])) if _has(other, at) else None
            case 3 if isinstance(value, int | float) and not isinstance(value, bool):
                container[key] = random.choice((-value, 2 * value, value + 1, value - 1, str(value), value * 10**12))
            case _:
                container[key] = _any_value(random)
    return changed


def _any_value(random: Random) -> Any:
    return json.loads(json.dumps(random.choice(_VALUES)))


def _has(container: Any, key: Any) -> bool:
    return key in container if isinstance(container, dict) else key < len(container)


def _places(value: Any) -> Any:
    """Yield the container and the key of every value of a document."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
