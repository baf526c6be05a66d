"""Values by key."""

from __future__ import annotations

import io
import json
import re
import tarfile
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, binary_response, empty_response, json_response
from standins.dvid.codecs import protobuf
from standins.dvid.instances import Tagged, route
from standins.dvid.types.mutations import MutationLog
from standins.dvid.versions import Node, Versioned

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


class KeyValue(Tagged, MutationLog):
    """Bytes by key."""

    typename, source, type_version = "keyvalue", "keyvalue", "0.2"

    def create(self, options: Mapping[str, str]) -> None:
        """Create an empty instance."""
        self.values: Versioned[str, bytes] = Versioned()

    @route("GET HEAD", "key")
    def get_key(self, node: Node, call: Call) -> Response:
        """Return a value or a range of it; an empty value counts as missing."""
        key = _key(call)
        value = self.values.get(node, key)
        if not value:
            raise Refusal(f'Key "{key}" not found', 404, bare=True)
        return _ranged(value, call.headers.get("range", ""))

    @route("POST", "key")
    def post_key(self, node: Node, call: Call) -> Response:
        """Store a value."""
        self.put(node, call, _key(call), call.body)
        return empty_response()

    def put(self, node: Node, call: Call, key: str, value: bytes) -> None:
        """Store a value and log the change."""
        self.values.put(node, key, value)
        self.record(node, call, "postkv", Key=key, Bytes=len(value))

    @route("DELETE", "key")
    def delete_key(self, node: Node, call: Call) -> Response:
        """Delete a value."""
        self.values.delete(node, _key(call))
        return empty_response()

    @route("GET", "keys")
    def keys(self, node: Node, call: Call) -> Response:
        """Return all keys, sorted."""
        return json_response(sorted(self.values.items(node)))

    def between(self, node: Node, call: Call) -> dict[str, bytes]:
        """Return the values with keys in the range of the path, inclusive."""
        first, last = call.part(1), call.part(2)
        return {key: value for key, value in sorted(self.values.items(node).items()) if first <= key <= last}

    @route("GET", "keyrange")
    def keyrange(self, node: Node, call: Call) -> Response:
        """Return the keys in a range."""
        return json_response(list(self.between(node, call)))

    @route("GET", "keyrangevalues")
    def keyrangevalues(self, node: Node, call: Call) -> Response:
        """Return the values in a range, without empty ones."""
        return pack({key: value for key, value in self.between(node, call).items() if value}, call)

    @route("GET", "keyvalues")
    def get_keyvalues(self, node: Node, call: Call) -> Response:
        """Return the values of the keys in the body (protobuf, or JSON for JSON and tar); empty for unknown keys."""
        is_json = call.flag("json") or call.flag("jsontar") or call.flag("tar")
        keys = call.json(list[str]) if is_json else protobuf.decode_keys(call.body)
        return pack({key: self.values.get(node, key) for key in keys}, call)

    @route("POST", "keyvalues")
    def post_keyvalues(self, node: Node, call: Call) -> Response:
        """Store the values of a protobuf message."""
        for key, value in protobuf.decode_keyvalues(call.body).items():
            self.put(node, call, key, value)
        return empty_response()


def _key(call: Call) -> str:
    return "/".join((call.part(1, "expect key to follow 'key' endpoint"), *call.parts[2:]))


def _ranged(value: bytes, header: str) -> Response:
    ranges = {"Accept-Ranges": "bytes"}
    match = _RANGE.fullmatch(header)
    if match is None or match.group() == "bytes=-":
        return binary_response(value, ranges)
    first, last = match.groups()
    start, stop = (int(first), int(last or len(value))) if first else (max(0, len(value) - int(last)), len(value))
    if start >= len(value):
        text = f"Range start {start} is outside value with {len(value)} bytes\n"
        return Response(text, 416, {"Content-Range": f"bytes */{len(value)}"}, media_type="text/plain")
    stop = min(stop, len(value) - 1)
    if stop < start:
        return binary_response(value, ranges)
    response = binary_response(
        value[start : stop + 1], {**ranges, "Content-Range": f"bytes {start}-{stop}/{len(value)}"}
    )
    response.status_code = 206
    return response


def pack(values: Mapping[str, bytes | None], call: Call) -> Response:
    """Return a response with several values in the requested format: JSON, tar or protobuf."""
    is_tar = call.flag("jsontar") or call.flag("tar")
    if call.flag("json") and is_tar:
        raise Refusal("can only specify tar or json output, not both")
    if call.flag("json"):
        _check(values, call)
        pairs = (f"{json.dumps(key)}:{(value or b'{}').decode(errors='replace')}" for key, value in values.items())
        return Response(f"{{{','.join(pairs)}}}", media_type="application/json")
    if is_tar:
        return tar({key: value or b"" for key, value in values.items()})
    return binary_response(protobuf.encode_keyvalues({key: value or b"" for key, value in values.items()}))


def _check(values: Mapping[str, bytes | None], call: Call) -> None:
    """With ``check=true``, raise `Refusal` for values that are not JSON; otherwise they are sent unchanged."""
    for key, value in values.items() if call.flag("check") else ():
        try:
            json.loads(value or b"{}")
        except ValueError:
            raise Refusal(f'bad JSON for key "{key}"') from None


def tar(files: Mapping[str, bytes]) -> Response:
    """Return a response with a tar archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, content in files.items():
            entry: Any = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return Response(out.getvalue(), media_type="application/tar")
