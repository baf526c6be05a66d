"""Content-addressed bytes, referred to by the histories of edits."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, binary_response, json_response

_OFFSET, _PRIME = 0x6C62272E07BB014262B821756295C58D, (1 << 88) + 0x13B
"""Parameters of the 128-bit hash FNV-1, http://www.isthe.com/chongo/tech/comp/fnv/."""


class Blobs:
    """Blobs of one data instance."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytes] = {}

    def store(self, content: bytes) -> str:
        """Store bytes and return their name."""
        name = fnv_name(content)
        self._by_name[name] = content
        return name

    def get(self, name: str) -> bytes | None:
        """Return the bytes stored under a name, None if there are none."""
        return self._by_name.get(name)

    def handle(self, call: Call) -> Response:
        """Handle a request to ``blobstore``, which is allowed in locked versions too."""
        match call.method, call.parts[1:]:
            case "POST", _:
                return json_response({"reference": self.store(call.body)})
            case (("GET" | "HEAD"), (name,)):
                return blob_response(self.get(name), name)
            case (("GET" | "HEAD"), _):
                raise Refusal("GET /blobstore requires reference")
        raise Refusal("can only do GET and POST actions on blobstore endpoint")


def fnv_name(content: bytes) -> str:
    """Return the name of a blob: its FNV hash in base64."""
    value = _OFFSET
    for byte in content:
        value = value * _PRIME & (1 << 128) - 1 ^ byte
    return urlsafe_b64encode(value.to_bytes(16, "big")).decode()


def blob_response(content: bytes | None, name: str) -> Response:
    """Return a response with a blob; raises 404 for None."""
    if content is None:
        raise Refusal(f'Reference "{name}" not found', 404, bare=True)
    return binary_response(content)
