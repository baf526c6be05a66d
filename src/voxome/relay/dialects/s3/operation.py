"""What a request may want, and the way in which it is answered."""

from __future__ import annotations

from typing import Protocol

from starlette.responses import Response

from voxome.relay.dialects.s3.body import Received, Sink
from voxome.relay.dialects.s3.call import S3Call


class Operation(Protocol):
    """An operation of the API. Its methods run in threads."""

    def sink(self, call: S3Call) -> Sink | None:
        """Return where the body of the request goes, None if it has none; or refuse it before the body is read."""

    def answer(self, call: S3Call, body: Received | None) -> Response:
        """Answer the request."""


class WithoutBody:
    """An operation whose requests have no body that matters."""

    def sink(self, call: S3Call) -> Sink | None:
        """Return None."""
        return None
