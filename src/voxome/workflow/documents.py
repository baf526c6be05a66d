"""Documents of workflows: their size when aliases are expanded, and whether they may come from the network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent, ScalarEvent
from schema_salad.fetcher import DefaultFetcher

from voxome.config.settings import settings
from voxome.errors import InvalidInput
from voxome.storage.bounded_file import BoundedFile
from voxome.workflow.cwl_schemas import prepare_schemas

NETWORK = "documents on the network are fetched with --allow-network only (VOXOME_ALLOW_NETWORK=true)"
"""Why a document is not fetched."""
_MOST_BYTES = 1 << 24
_MOST_VALUES = 1_000_000
_DEEPEST = 200
_QUOTES, _BRACKETS = re.compile("[\"'#]"), re.compile(r"[\[\]{}]")
_UNCOMMON = re.compile("[*\x85\u2028\u2029]|\r(?!\n)")
"""Aliases, and ends of lines that are no line feeds."""
_MAY_IMPORT = re.compile(r"import|mixin|\\(?:[xuU]|\r?\n)")
"""What a document with imports has, written plainly or with escapes."""
_INDENTATION = re.compile(r"^[ \t?:-]*", re.MULTILINE)
"""What may be before the values of a line, and has a column for each level."""


def may_fetch(process: str) -> bool:
    """Return whether documents of a process come from the network: if that is allowed, or the process is there."""
    return settings().allow_network or urlsplit(process).scheme in ("http", "https")


def require_bounded(text: str, name: str) -> None:
    """Refuse YAML or JSON whose values would fill the memory: a few aliases of aliases stand for billions.

    Parameters
    ----------
    text : str
        The document; one that is not YAML is left to whoever reads it.
    name : str
        Its name, for messages.

    Raises
    ------
    InvalidInput
        If it has more than 16 MiB, a million values with all aliases expanded, or 200 levels.
    """
    if len(text) > _MOST_BYTES:
        raise InvalidInput(f"{name} has {len(text):,} characters; a workflow or job file has at most {_MOST_BYTES:,}")
    if _is_plainly_bounded(text):
        return
    sizes: dict[str, int] = {}
    open_nodes: list[tuple[str | None, int]] = [(None, 0)]
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, CollectionStartEvent):
                open_nodes.append((event.anchor, 0))
                if len(open_nodes) > _DEEPEST:
                    raise InvalidInput(f"{name} has more than {_DEEPEST} levels")
                continue
            if isinstance(event, CollectionEndEvent):
                anchor, size = open_nodes.pop()
            elif isinstance(event, ScalarEvent):
                anchor, size = event.anchor, 0
            elif isinstance(event, AliasEvent):
                anchor, size = None, sizes.get(event.anchor, _MOST_VALUES)  # of what it is in, without an end
            else:
                continue
            size += 1
            if anchor is not None:
                sizes[anchor] = size
            above, total = open_nodes[-1]
            open_nodes[-1] = (above, total + size)
            if total + size > _MOST_VALUES:
                raise InvalidInput(f"{name} has more than {_MOST_VALUES:,} values, with its aliases expanded")
    except (YAMLError, RecursionError):
        return


def _require_bounded_file(url: str) -> None:
    """Refuse the URL of a local file that is a pipe or a device, or has more bytes than a workflow; others are left."""
    if urlsplit(url).scheme != "file":
        return
    path = Path(url2pathname(urlsplit(url).path))
    try:
        with BoundedFile(path) as file:
            size = len(file.read(_MOST_BYTES + 1))
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInput(
            f"{path}, to which the workflow refers, cannot be read: {error.strerror or error}"
        ) from error
    if size > _MOST_BYTES:
        raise InvalidInput(f"{path} has more than {_MOST_BYTES:,} bytes, the most of a workflow or job file")


def _is_plainly_bounded(text: str) -> bool:
    """Return whether a document has few values and levels by its characters: parsing it takes seconds for a megabyte.

    Without aliases, a value has a character of its own that separates it from others. A level has a bracket, or a
    column of its own; the items of a list may have that of their key.
    """
    if _UNCOMMON.search(text) or sum(text.count(one) for one in "\n\r,:-?[{") >= _MOST_VALUES:
        return False
    columns = max((len(found[0]) for found in _INDENTATION.finditer(text)), default=0)
    levels = _brackets(text) + 2 * (columns + 1)
    return levels < _DEEPEST or _is_shallow_json(text)


def _brackets(text: str) -> int:
    """Return the most brackets that are open at once: at least as many as are those of lists and mappings."""
    if _QUOTES.search(text):  # in which brackets may close nothing
        return text.count("[") + text.count("{")
    depth = deepest = 0
    for found in _BRACKETS.finditer(text):
        depth = depth + 1 if found[0] in "[{" else max(0, depth - 1)
        deepest = max(deepest, depth)
    return deepest


def _is_shallow_json(text: str) -> bool:
    """Return whether a text is JSON of fewer levels than are allowed."""
    try:
        level = [json.loads(text)]
    except (ValueError, RecursionError):
        return False
    for _ in range(_DEEPEST - 1):
        inside = [one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list)]
        if not inside:
            return True
        level = [one for values in inside for one in values]
    return False


def refuse_recursion(make: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a function that makes objects of processes by `make`, and refuses one that is a step of itself.

    Raises
    ------
    InvalidInput
        If a process is inside itself; cwltool would load it until Python stops, after seconds.
    """
    inside: list[str] = []

    def construct(document: Any, context: Any) -> Any:
        name = str(document.get("id", "")) if isinstance(document, dict) else ""
        if name and name in inside:
            raise InvalidInput(f"{name.removeprefix('file://')} contains itself as a step")
        inside.append(name)
        try:
            return make(document, context)
        finally:
            inside.pop()

    return construct


def _imports(text: str) -> Iterator[str]:
    """Yield what a document imports; a text that is not YAML is left to whoever reads it."""
    if not _MAY_IMPORT.search(text):
        return
    anchors: dict[str | None, str] = {}
    before = ""
    with suppress(YAMLError, RecursionError):
        for event in YAML(typ="safe", pure=True).parse(text):
            value = ""
            if isinstance(event, ScalarEvent):
                anchors[event.anchor] = value = event.value
            elif isinstance(event, AliasEvent):
                value = anchors.get(event.anchor, "")
            if before in ("$import", "$mixin") and value:
                yield value
            before = value


def _refuse_cycle(url: str, imports: Mapping[str, set[str]]) -> None:
    """Refuse a document that is imported by what it imports: the compiled loader of CWL would end the process."""
    seen = set[str]()
    waiting = [url]
    while waiting:
        inside = imports.get(waiting.pop(), set())
        if url in inside:
            raise InvalidInput(f"{url.removeprefix('file://')} imports itself; remove one of the imports")
        waiting += inside - seen
        seen |= inside


class DocumentFetcher(DefaultFetcher):
    """Fetches the documents that workflows refer to, for cwltool.

    Parameters
    ----------
    cache, session
        As schema-salad gives them.
    allow_network : bool
        Whether they may be on the network.
    texts : mapping of str to str, optional
        URL → text of documents that are not read from anywhere.
    imports : dict, optional
        URL → URLs of the documents that are imported there: of what the fetchers of one workflow have read.
    """

    def __init__(
        self,
        cache: Any,
        session: Any,
        allow_network: bool = False,
        texts: Mapping[str, str] | None = None,
        imports: dict[str, set[str]] | None = None,
    ) -> None:
        super().__init__(cache, session)
        self._allow_network, self._texts = allow_network, texts or {}
        self._imports = {} if imports is None else imports

    def fetch_text(self, url: str, content_types: list[str] | None = None) -> str:
        """Return a document, if it is of a plausible size."""
        if url in self._texts:
            return self._texts[url]
        if not self._is_allowed(url):
            raise InvalidInput(f"the workflow refers to {url}; {NETWORK}")
        known = url in self.cache
        if not known:
            _require_bounded_file(url)
        text: str = super().fetch_text(url, content_types)
        if known:  # schemas of CWL
            return text
        require_bounded(text, url.removeprefix("file://"))
        self._imports[url] = {urldefrag(urljoin(url, one)).url for one in _imports(text)}
        _refuse_cycle(url, self._imports)
        prepare_schemas(text)
        return text

    def check_exists(self, url: str) -> bool:
        """Return whether there is a document; on the network there is none, unless that is allowed."""
        return self._is_allowed(url) and bool(super().check_exists(url))

    def _is_allowed(self, url: str) -> bool:
        return self._allow_network or url in self.cache or urlsplit(url).scheme in ("file", "", "_")
