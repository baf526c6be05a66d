"""The JSON states in links of Neuroglancer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

import httpx

from voxome.contracts.uri import Uri
from voxome.errors import AccessDenied, InvalidInput, NotFound, StoreError, describe_value
from voxome.redaction import redact
from voxome.storage.find import storage_at
from voxome.storage.http_client import RefusedBody, http_client, of_first_request
from voxome.storage.json_store import read_document

State = dict[str, Any]
_RELAY_PAGE = re.compile(r"(https?://[^?#]*/)view(?:/|/v/[^/?#]+/?)?")

_LARGEST_BYTES = 64 * 2**20
_TIMEOUT_S = 30.0


def read_state(link: str | Mapping[str, Any]) -> State:
    """Return the JSON state of a link of Neuroglancer.

    Parameters
    ----------
    link : str or mapping
        A link with the state after ``#!``, or with the address of the state there or in ``json_url=``; the address of
        the viewer of a relay, or of a view that is shared there; the address of a JSON file; or the state itself, as
        text or mapping.

    Raises
    ------
    InvalidInput
        If it is none of these.
    NotFound
        If there is nothing at the address of the state.
    """
    if isinstance(link, Mapping):
        return dict(link)
    if not isinstance(link, str) or not link.strip():
        raise InvalidInput(f"the link is {describe_value(link)}; expected text, such as https://host/#!{{…}}")
    if link.lstrip().startswith("{"):
        return parse_state(link)
    parts = urlsplit(link)
    if parts.fragment.startswith("!"):
        text = unquote(parts.fragment[1:])
        return parse_state(text) if text.lstrip().startswith("{") else _fetch(text)
    if stored := parse_qs(parts.query).get("json_url"):
        return _fetch(stored[0])
    page = relay_state(link)
    return _fetch(link if page is None else page)


def relay_state(link: str) -> str | None:
    """Return the address of the state that the viewer of a relay begins with; None if it is no address of one.

    Examples
    --------
    >>> relay_state("https://host/view/v/relay/?s=1f")
    'https://host/view/states/1f?base=https%3A%2F%2Fhost%2F'
    """
    parts = urlsplit(link)
    matched = _RELAY_PAGE.fullmatch(f"{parts.scheme}://{parts.netloc}{parts.path}")
    if matched is None:
        return None
    base, query = matched[1], parse_qs(parts.query)
    if shared := query.get("s"):
        return f"{base}view/states/{quote(shared[0], safe='')}?{urlencode({'base': base})}"
    return f"{base}view/state?{urlencode({'base': base, 'layer': query.get('layer', [])}, doseq=True)}"


def parse_state(text: str) -> State:
    """Parse a state: JSON, or the form of older links, in which ``'`` stands for ``"``, and ``_`` for a comma.

    Examples
    --------
    >>> parse_state("{'layers':{'a_b':'c'}_'showAxisLines':false}")
    {'layers': {'a_b': 'c'}, 'showAxisLines': False}
    """
    for form in (text, _to_json(text)):
        try:
            state = json.loads(form)
        except (ValueError, RecursionError):
            continue
        if isinstance(state, dict):
            return state
    raise InvalidInput(f"{redact(text[:80])!r} is not a state of Neuroglancer; expected a JSON object")


def build_link(state: Mapping[str, Any], viewer: str) -> str:
    """Return the link that opens a state in the viewer at the address `viewer`."""
    text = json.dumps(state, separators=(",", ":"), allow_nan=False)
    return f"{viewer.rstrip('/')}/#!{quote(text, safe='!$&()*+,/:;=?@~')}"


def _to_json(text: str) -> str:
    """Return the JSON of the form of older links: outside of texts ``_`` is a comma, and texts are in single quotes."""
    out, quoted, escaped = [], "", False
    for character in text:
        if escaped:
            out.append(character if character == "'" else f"\\{character}")
            escaped = False
        elif quoted and character == "\\":
            escaped = True
        elif quoted:
            out.append(_end_or_inside(character, quoted))
            quoted = "" if character == quoted else quoted
        elif character in "'\"":
            quoted = character
            out.append('"')
        else:
            out.append("," if character == "_" else character)
    return "".join(out)


def _end_or_inside(character: str, quote: str) -> str:
    if character == quote:
        return '"'
    return '\\"' if character == '"' else character


def _fetch(address: str) -> State:
    """Return the state that is stored at an address."""
    plain = address.removeprefix("middleauth+")
    local = "://" not in plain
    if local and plain.endswith(".json") and not Uri.parse(plain).local_path.exists():
        raise NotFound(f"{plain} does not exist; expected a file with the JSON of a state")
    if local and not Uri.parse(plain).local_path.is_file():
        raise InvalidInput(
            f"{redact(address)!r} is no link of Neuroglancer; expected https://host/#!{{…}}, or where a state is stored"
        )
    text = _download(plain) if plain.startswith(("http://", "https://")) else _read(plain)
    return parse_state(text.decode(errors="replace"))


def _read(address: str) -> bytes:
    folder, _, name = address.rpartition("/")
    text = read_document(storage_at(folder or ".") / name)
    if text is None:
        raise NotFound(f"there is no state of Neuroglancer at {redact(address)}")
    return text


def _download(address: str) -> bytes:
    """Return the body of an answer of at most `_LARGEST_BYTES`."""
    shown = redact(address)
    try:
        response = http_client(_TIMEOUT_S).get(
            address, follow_redirects=True, extensions=of_first_request(_LARGEST_BYTES)
        )
        if response.status_code == 404:
            raise NotFound(f"there is no state of Neuroglancer at {shown}")
        if response.status_code in (401, 403):
            raise AccessDenied(
                f"the state at {shown} needs a login; open the link in a browser, and save its JSON to a file"
            )
        response.raise_for_status()
    except RefusedBody as error:
        raise InvalidInput(f"the state at {shown} cannot be read: {error}") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise StoreError(f"the state at {shown} cannot be read: {redact(str(error))}") from error
    return response.content
