"""Key-value instances, on the stand-in server and against recorded responses of a real server."""

from __future__ import annotations

import pytest

from voxome.errors import CorruptData, InvalidInput, NotFound
from voxome.remotes.dvid.keyvalue import KeyValue

pytestmark = pytest.mark.slow


@pytest.fixture
def names(node, create_instance):
    create_instance("keyvalue", "names")
    return KeyValue(node, "names")


@pytest.mark.slow
def test_an_instance_is_a_mapping(names):
    assert (len(names), list(names), "a" in names, names.get("a")) == (0, [], False, None)
    names["a"] = b"\0\1"
    names["with space, and ü%"] = b"x"
    assert dict(names) == {"a": b"\0\1", "with space, and ü%": b"x"}
    assert names.pop("a") == b"\0\1"
    with pytest.raises(KeyError):
        del names["a"]
    with pytest.raises(NotFound, match="no key 'a' in names"):
        names["a"]
    names.update({"b": b"2"})
    assert sorted(names) == ["b", "with space, and ü%"]


def test_values_are_stored_as_json(names):
    names.put_json("a", {"b": [1, "ü"]})
    assert names.get_json("a") == {"b": [1, "ü"]}
    names["a"] = b"{"
    with pytest.raises(CorruptData, match="names, key 'a': not JSON"):
        names.get_json("a")


def test_an_empty_value_exists(names):
    names["empty"] = b""
    assert names["empty"] == b""
    assert "empty" in names
    assert dict(names) == {"empty": b""}
    assert names.get_many(["empty"]) == {"empty": b""}


def test_ranges_and_batches_of_keys(names, monkeypatch):
    monkeypatch.setattr("voxome.remotes.dvid.keyvalue.BATCH", 2)
    values = {f"k{number}": bytes([number]) for number in range(7)}
    names.put_many(values)
    assert names.keys_between("k2", "k4") == ["k2", "k3", "k4"]
    assert names.between("k5", "z") == {"k5": b"\5", "k6": b"\6"}
    assert list(names.get_many(["k6", "k0", "k6", "k3"]).items()) == [("k6", b"\6"), ("k0", b"\0"), ("k3", b"\3")]
    with pytest.raises(NotFound, match="no keys 'x', 'y' in names"):
        names.get_many(["k1", "x", "y"])


def test_a_range_of_a_value_is_read(names):
    names["a"] = bytes(range(100))
    assert names.read_range("a", 10, 20) == bytes(range(10, 20))
    assert names.read_range("a", 95, 200) == bytes(range(95, 100))
    with pytest.raises(InvalidInput, match="416"):
        names.read_range("a", 100, 101)
    with pytest.raises(InvalidInput, match="0 <= start < stop"):
        names.read_range("a", 5, 5)
    with pytest.raises(NotFound):
        names.read_range("b", 0, 5)


def test_keys_that_cannot_be_part_of_a_path_are_refused(names):
    for key in ("", "a/b", ".."):
        with pytest.raises(InvalidInput, match="cannot be a key"):
            names[key] = b"x"


def test_a_missing_instance_is_not_a_missing_key(node):
    for request in (lambda: KeyValue(node, "nosuch")["a"], lambda: "a" in KeyValue(node, "nosuch")):
        with pytest.raises(NotFound, match="no instance of that name"):
            request()


def test_recorded_responses_are_parsed(recorded_node):
    meta = KeyValue(recorded_node, "neuron_meta")
    assert list(meta) == ["1004_swc", "alpha", "empty", "mesh_1004", "with space"]
    assert meta["alpha"] == b'{"a":1}'
    assert meta["with space"] == b"x"
    assert len(meta.read_range("mesh_1004", 10, 20)) == 10
    assert meta.keys_between("a", "f") == ["alpha", "empty"]
    with pytest.raises(InvalidInput, match="outside value with 2048 bytes"):
        meta.read_range("mesh_1004", 5000, 6001)
    assert meta._get_batch(["beta", "alpha", "nosuch"]) == {"beta": b'{"b":2}', "alpha": b'{"a":1}', "nosuch": b""}
