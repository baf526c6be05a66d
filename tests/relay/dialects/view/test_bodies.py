from __future__ import annotations

import json

import pytest

from voxome.errors import InvalidInput
from voxome.relay.dialects.view.bodies import MOST_DEPTH, json_object


def nested(depth: int) -> bytearray:
    return bytearray(b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1))


@pytest.mark.parametrize(
    "body",
    [
        b'{"token":"\\ud800"}',
        b'{"\\udfff":1}',
        b'{"layers":[{"name":["\\ud800"]}]}',
        b'{"a":NaN}',
        b'{"a":[1e999]}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":' + b"9" * 5000 + b"}",
        b'{"points_a_nm":[[1' + b"0" * 400 + b",0,0]]}",
        b'{"operation":9223372036854775808}',
        b'{"operation":-9223372036854775809}',
        b"[1]",
        nested(MOST_DEPTH + 1),
        b'{"layers":' + b"[" * 600 + b"]" * 600 + b"}",
        b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_json_in_utf8_cannot_hold_and_what_is_nested_too_deep_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        json_object(bytearray(body))


def test_numbers_of_64_bits_are_read() -> None:
    assert json_object(bytearray(b'{"a":[9223372036854775807,-9223372036854775808,-0]}')) == {
        "a": [2**63 - 1, -(2**63), 0]
    }


def test_pairs_of_surrogates_and_deep_objects_are_read() -> None:
    assert json_object(bytearray(b'{"a":"\\ud83d\\ude00"}')) == {"a": "\N{GRINNING FACE}"}
    assert json_object(nested(MOST_DEPTH)) == json.loads(nested(MOST_DEPTH))
