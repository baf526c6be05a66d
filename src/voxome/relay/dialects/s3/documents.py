"""XML of S3's answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import escape

from starlette.responses import Response

from voxome.relay.http import NOT_KEPT

MODIFIED_HTTP, MODIFIED = "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000Z"
"""When every object was last modified, which the API requires and no store tells: ETags say what has changed."""

Value = str | int | bool | Iterable["Element"]
Element = tuple[str, Value]
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def document(name: str, content: Iterable[Element], headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a document."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_NAMESPACE}">{_inside(content)}</{name}>'
    return Response(body, headers={**NOT_KEPT, **(headers or {})}, media_type="application/xml")


def error_document(code: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with an error, which has no namespace."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_inside([("Code", code), ("Message", message)])}</Error>'
    return Response(body, status, {**NOT_KEPT, **(headers or {})}, "application/xml")


def _inside(content: Iterable[Element]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in content)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return escape(str(value)) if isinstance(value, str | int) else _inside(value)
