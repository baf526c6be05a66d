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


def start_page(edited: Sequence[str] = (), *, login: bool = False) -> FileAnswer:
    """Return the page that loads the viewer; the scripts of this folder run before it.

    All of its addresses are relative, so that it works behind any prefix.

    Parameters
    ----------
    edited : sequence of str
        Names of the layers whose annotations are kept.
    login : bool
        Whether people log in on it.
    """
    page = (client_folder() / "index.html").read_text(encoding="utf-8")
    names = html.escape(json.dumps(list(edited)))
    used = ("start", *(["session"] if login else ()), "parameters", "proofread")
    scripts = "".join(f"<script>{_script(name)}</script>" for name in used)
    icon = '<link rel="icon" href="data:,">'  # otherwise browsers look for one outside any prefix
    head = f'<head><title>voxome</title>{icon}<meta name="voxome-edited" content="{names}">{scripts}'
    return FileAnswer(_HEAD.sub(lambda _: head, page, count=1).encode(), "text/html; charset=utf-8")


@cache
def _script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.js").read_text(encoding="utf-8")
