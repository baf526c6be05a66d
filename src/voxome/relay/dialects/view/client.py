"""The files of Neuroglancer, from its Python package, and the page that starts it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from voxome.errors import NotFound, UnsupportedFormat
from voxome.extras import require
from voxome.relay.files import FileAnswer

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\.(css|js|map|wasm)")
_TYPES = {"css": "text/css", "js": "text/javascript", "map": "application/json", "wasm": "application/wasm"}
_HEAD = re.compile(r"<head>", re.IGNORECASE)


@cache
def client_folder() -> Path:
    """Return the folder with the files of Neuroglancer; the package is not imported.

    Raises
    ------
    MissingExtra
        If the package is not installed.
    UnsupportedFormat
        If it comes without these files.
    """
    require("view", "neuroglancer")
    spec = find_spec("neuroglancer")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        client = Path(folder) / "static" / "client"
        if (client / "index.html").is_file():
            return client
    raise UnsupportedFormat("the package neuroglancer has no viewer in it; install a released version of it")


def client_file(name: str) -> FileAnswer:
    """Return a file of the viewer.

    Raises
    ------
    NotFound
        If there is no such file.
    """
    matched = _NAME.fullmatch(name)
    path = client_folder() / name
    if matched is None or not path.is_file():
        raise NotFound(f"the viewer has no file {name}")
    return FileAnswer(path.read_bytes(), _TYPES[matched[1]])


def start_page(title: str, edited: Sequence[str] = ()) -> FileAnswer:
    """Return the page that loads the viewer; `start.js` runs before it.

    All of its addresses are relative, so that it works behind any prefix.

    Parameters
    ----------
    title : str
        Title of the page.
    edited : sequence of str
        Names of the layers whose annotations are kept.
    """
    page = (client_folder() / "index.html").read_text(encoding="utf-8")
    script = (Path(__file__).parent / "start.js").read_text(encoding="utf-8")
    names = html.escape(json.dumps(list(edited)))
    head = f'<head><title>{title}</title><meta name="voxome-edited" content="{names}"><script>{script}</script>'
    return FileAnswer(_HEAD.sub(lambda _: head, page, count=1).encode(), "text/html; charset=utf-8")
