"""Requests of the real intern 1.4.2, recorded by a logging server, sent to ours: same status, needed content."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numcodecs import blosc
from relay.dialects.boss.client import Client
from standins.boss import Boss

pytestmark = pytest.mark.slow

DTYPES = {"chA": "uint8", "chB": "uint8", "big": "uint8", "c": "uint8", "seg": "uint64", "u16": "uint16"}
ID = 1099511627777

BEFORE: dict[int, list[tuple[str, str, Any]]] = {
    35: [("POST", "/v1/cutout/colA/expA/seg/0/0:1/0:1/0:1/", np.full((1, 1, 1), ID, "uint64"))],
    53: [("POST", "/v1/sso/user/al", {}), ("POST", "/v1/sso/user/bob", {})],
    69: [("DELETE", "/v1/sso/user/bob", None)],
}
"""Line → requests before it, for what the logging server took for granted: an id, and two users."""

DIFFERENT = {
    139: (400, "the real server keeps a channel that is the source of another; the logging server let it go"),
    149: (404, "no name has a dot, and an empty one cannot be requested; the logging server answered anything"),
}
"""Line → our status, and why it differs from the recorded one."""

ALIKE = {*range(100, 117), *range(118, 129), *range(130, 138), *range(155, 163)}
"""Lines that are skipped: cutouts of the same channel that differ from others by their box only, 500 MB in all."""


def recorded(shared: Path) -> list[dict[str, Any]]:
    lines = (shared / "reference" / "intern-requests.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def body_of(line: dict[str, Any]) -> bytes:
    """Return the recorded body; random voxels for cutouts (of another dtype where refused), which were not recorded."""
    if not line["path"].startswith("/v1/cutout/") or line["method"] != "POST":
        return line.get("body", "").encode()
    dtype, shape = box_of(line["path"])
    if line["status"] == 400:
        return blosc.compress(np.zeros(shape, "int64"), b"lz4", 0, 0)
    values = np.random.default_rng(0).integers(1, 200, np.prod(shape), dtype="uint8").astype(dtype)
    return blosc.compress(values, b"lz4", 0, 0)


def box_of(path: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    parts = path.split("?")[0].strip("/").split("/")
    ranges = [tuple(map(int, part.split(":"))) for part in parts if re.fullmatch(r"-?\d+:\d+", part)]
    channel = next(part for part in reversed(parts) if part in DTYPES)
    return np.dtype(DTYPES[channel]), tuple(b - a for a, b in reversed(ranges))


def test_every_request_of_intern_gets_a_valid_response(shared: Path, fresh: Boss, client: Client) -> None:
    for number, line in enumerate(recorded(shared)):
        for method, path, body in BEFORE.get(number, []):
            _prepare(client, method, path, body)
        if number in ALIKE:
            continue
        headers = {
            name: text for name, text in line["headers"].items() if name not in ("Authorization", "Content-Length")
        }
        path = line["path"]
        answer = client.http.request(line["method"], path, headers=headers, content=body_of(line))
        expected, _ = DIFFERENT.get(number, (line["status"], ""))
        assert answer.status_code == expected, f"line {number}: {line['method']} {path}: {answer.text[:200]}"
        _check_content(number, line, answer.content)


def _prepare(client: Client, method: str, path: str, body: Any) -> None:
    if isinstance(body, np.ndarray):
        headers = {"Content-Type": "application/blosc"}
        answer = client.http.request(method, path, content=blosc.compress(body, b"lz4", 1, 1), headers=headers)
    else:
        answer = client.http.request(method, path, json=body)
    assert answer.status_code in (201, 204)


def _check_content(number: int, line: dict[str, Any], content: bytes) -> None:
    if line["method"] != "GET" or line["status"] != 200 or number in DIFFERENT:
        return
    if line["path"].startswith("/v1/cutout/"):
        dtype, shape = box_of(line["path"])
        assert len(blosc.decompress(content)) == dtype.itemsize * np.prod(shape)
        return
    found = json.loads(content)
    for pattern, keys in NEEDED.items():
        if re.fullmatch(pattern, line["path"]):
            assert keys <= set(found), f"line {number}: {found}"
            return
    assert isinstance(found, list), f"line {number}: {line['path']} is not known to this test"


NEEDED = {
    r"/v1/collection//": {"collections"},
    r"/v1/collection/\w+": {"name", "description", "creator"},
    r"/v1/collection/\w+/experiment/": {"experiments"},
    r"/v1/collection/\w+/experiment/\w+": {"name", "coord_frame", "num_hierarchy_levels", "time_step_unit"},
    r"/v1/collection/\w+/experiment/\w+/channel/": {"channels"},
    r"/v1/collection/\w+/experiment/\w+/channel/\w+": {"name", "type", "datatype", "storage_type"},
    r"/v1/coord/": {"coords"},
    r"/v1/coord/\w+": {"name", "x_start", "x_stop", "voxel_unit"},
    r"/v1/ids/.*": {"ids"},
    r"/v1/boundingbox/.*": {"x_range", "y_range", "z_range", "t_range"},
    r"/v1/reserve/.*": {"start_id", "count"},
    r"/v1/meta/[^?]*": {"keys"},
    r"/v1/meta/.*\?key=.*": {"key", "value"},
    r"/v1/groups/": {"groups"},
    r"/v1/groups/\w+/": {"name", "owner", "resources"},
    r"/v1/groups/\w+/members/": {"members"},
    r"/v1/groups/\w+/maintainers/": {"maintainers"},
    r"/v1/groups/\w+/(members|maintainers)/\w+": {"result"},
    r"/v1/permissions/.*": {"permission-sets"},
    r"/v1/sso/user/\w+": {"username"},
}
"""Path → keys that intern 1.4.2 needs in the answer."""


def test_every_difference_is_still_needed(shared: Path) -> None:
    lines = recorded(shared)
    for number, (status, why) in DIFFERENT.items():
        assert lines[number]["status"] != status, why


@pytest.mark.parametrize("number", [0, 163])
def test_the_recording_is_complete(shared: Path, number: int) -> None:
    assert recorded(shared)[number]["headers"]["User-Agent"] == "intern-py-1.4.2"
