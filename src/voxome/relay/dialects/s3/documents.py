"""XML of S3's answers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import formatdate
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from starlette.responses import Response

from voxome.errors import InvalidInput
from voxome.relay.request_errors import NOT_KEPT

MODIFIED_HTTP, MODIFIED = "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00.000Z"
"""When chunks of sources were last modified, which the API requires and no store knows: ETags show what has changed."""

_PRIVATE, _MARK = 0xE000, "\uf8ff"
_SPECIAL = re.compile(rf"{_MARK}|[\x00-\x08\x0b\x0c\x0e-\x1f]|&#(?:x0*([01]?[0-9a-fA-F])|0*(\d|[12]\d|3[01]));")
"""Control characters, which keys may have and XML may not, and references to them."""
_HIDDEN = re.compile(rf"{_MARK}(.)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffe\uffff]")
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Value = str | int | bool | Iterable["Element"]
Element = tuple[str, Value]
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"


def modified(time_s: float) -> str:
    """Return a time in s since 1970 as documents have it."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def modified_http(time_s: float) -> str:
    """Return a time in s since 1970 as headers have it."""
    return formatdate(time_s, usegmt=True)


def document(name: str, content: Iterable[Element], headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with a document."""
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<{name} xmlns="{_NAMESPACE}">{_inside(content)}</{name}>'
    return Response(body, headers={**NOT_KEPT, **(headers or {})}, media_type="application/xml")


def require_xml(name: str, text: str) -> None:
    """Check that a parameter of a request, which the answer repeats, has only characters that XML may have.

    Raises
    ------
    InvalidInput
        If it has others.
    """
    if _NOT_XML.search(text):
        raise InvalidInput(f"{name} is {text!a}, which XML cannot have; send encoding-type=url")


def error_document(code: str, message: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer with an error, which has no namespace."""
    message = _NOT_XML.sub(lambda one: ascii(one[0])[1:-1], message)
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{_inside([("Code", code), ("Message", message)])}</Error>'
    return Response(body, status, {**NOT_KEPT, **(headers or {})}, "application/xml")


def _hide(found: re.Match[str]) -> str:
    """Return two private characters that stand for a control character."""
    if found[0] == _MARK:
        return f"{_MARK}{chr(_PRIVATE + ord(_MARK))}"
    code = int(found[1], 16) if found[1] else int(found[2]) if found[2] else ord(found[0])
    return f"{_MARK}{chr(_PRIVATE + code)}"


def _inside(content: Iterable[Element]) -> str:
    return "".join(f"<{name}>{_text(value)}</{name}>" for name, value in content)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int):
        return _CONTROL.sub(lambda one: f"&#{ord(one[0])};", escape(str(value)))
    return _inside(value)


def parse_document(content: bytes, name: str) -> ElementTree.Element:
    """Return the root of a document that a client has sent, without namespaces.

    Raises
    ------
    InvalidInput
        If it is not XML, or another document.
    """
    if b"<!" in content:
        raise InvalidInput(f"the body is not a plain document {name}")
    try:
        root = ElementTree.fromstring(_SPECIAL.sub(_hide, content.decode()))
    except (ElementTree.ParseError, ValueError) as error:
        raise InvalidInput(f"the body is not a valid document {name}: {error}") from error
    for one in root.iter():
        one.tag = one.tag.rpartition("}")[2]
        one.text = _HIDDEN.sub(lambda found: chr(ord(found[1]) - _PRIVATE), one.text or "")
    if root.tag != name:
        raise InvalidInput(f"the body is a document {root.tag}; expected {name}")
    return root
