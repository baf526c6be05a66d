"""Which web pages may show pages of the relay in a frame, where clicks could be led to what people do not see."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import MutableHeaders
from starlette.types import Scope

from voxome.relay.cors import EVERY

_PAGE = "text/html"


class Frames:
    """The policy ``frame-ancestors`` of every page; other answers stay as they are.

    Parameters
    ----------
    ancestors : collection of str
        Origins of pages that may show it, beside its own; ``*`` for all.
    """

    def __init__(self, ancestors: Collection[str]) -> None:
        self._everybody = EVERY in ancestors  # whose origins may have other schemes than http
        self._policy = " ".join(["frame-ancestors", "'self'", *ancestors])

    def __call__(self, scope: Scope, headers: MutableHeaders) -> None:
        """Add it to the headers of the answer to a request."""
        if not self._everybody and headers.get("content-type", "").startswith(_PAGE):
            headers.append("Content-Security-Policy", self._policy)
