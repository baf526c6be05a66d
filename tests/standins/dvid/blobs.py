"""Bytes found by their content: what the histories of edits refer to."""

from __future__ import annotations

from base64 import urlsafe_b64encode

from starlette.responses import Response

from standins.dvid.calls import Call, Refusal, as_json, octets

_OFFSET, _PRIME = 0x6C62272E07BB014262B821756295C58D, (1 << 88) + 0x13B
"""Of the hash FNV-1 with 128 bits, http://www.isthe.com/chongo/tech/comp/fnv/."""


class Blobs:
    """The blobs of one data instance."""

    def __init__(self) -> None:
        self._by_name: dict[str, bytes] = {}

    def keep(self, content: bytes) -> str:
        """Store bytes; the name that they are found by."""
        name = name_of(content)
        self._by_name[name] = content
        return name

    def get(self, name: str) -> bytes | None:
        """The bytes of a name, if there are any."""
        return self._by_name.get(name)

    def answer(self, call: Call) -> Response:
        """Answer a request to ``blobstore``, which is allowed in locked versions too."""
        match call.method, call.parts[1:]:
            case "POST", _:
                return as_json({"reference": self.keep(call.body)})
            case (("GET" | "HEAD"), (name,)):
                return sent(self.get(name), name)
            case (("GET" | "HEAD"), _):
                raise Refusal("GET /blobstore requires reference")
        raise Refusal("can only do GET and POST actions on blobstore endpoint")


def name_of(content: bytes) -> str:
    """The name of some bytes: their FNV hash in base64."""
    value = _OFFSET
    for byte in content:
        value = value * _PRIME & (1 << 128) - 1 ^ byte
    return urlsafe_b64encode(value.to_bytes(16, "big")).decode()


def sent(content: bytes | None, name: str) -> Response:
    """The bytes of a blob, or 404."""
    if content is None:
        raise Refusal(f'Reference "{name}" not found', 404, bare=True)
    return octets(content)
