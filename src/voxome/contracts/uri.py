"""URIs: scheme, path and options."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from urllib.parse import parse_qsl, urlencode

from voxome.errors import InvalidUri, UnknownName, describe_value
from voxome.redaction import HIDDEN, is_secret, redact, without_credentials

Location = str | os.PathLike[str]
"""A URI or path, as users write it."""

VIEW_OPTIONS = ("axes", "c", "t", "start", "grid", "window", "dtype", "clip")
"""Options of a URI that open a view of a volume, of any store."""
LEVEL = "level"
"""Option of a URI with the number of a level, of any store."""

_NETWORKS = frozenset({"http", "https", "s3", "gs"})
"""Schemes of addresses without a format; an option in what follows may be a secret, where in a path it is a name."""
_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]*)://(.*)$", re.IGNORECASE | re.DOTALL)
_FILE = re.compile(r"^file://(?:localhost(?=/))?", re.IGNORECASE)
_SLASHES = re.compile(r"^//+")
"""What POSIX lets a path begin with; it means one slash."""
_QUERY = re.compile(r"[a-z_]+=(?:https?://[^|&]*|[^/|])*")
_INNER_QUERY = re.compile(rf"([^|]*)\?({_QUERY.pattern})(\|[a-z][a-z0-9_-]*:.*)", re.DOTALL)
_PIPELINE = re.compile(r"(.+)\|(zarr[23]?|n5|(?:neuroglancer-)?precomputed):([^|]*)", re.DOTALL)


@dataclass(frozen=True)
class Uri:
    """``scheme://path?name=value``, as ``zarr:///data/a.zarr?level=2`` or ``precomputed://https://host/layer``.

    A URL pipeline that ends in a format is understood too: ``s3://bucket/a.zip|zip:|zarr3:`` is
    ``zarr://s3://bucket/a.zip|zip:``.

    Attributes
    ----------
    scheme : str
        Name of the remote; empty for a bare path, also with ``file://``.
    path : str
        Path in the store, itself a URL where that is behind a network; ``file://`` before a local path is left out.
    query : mapping
        Options after the last question mark, joined by ``&``; they contain no slash but those of ``http://``. A path
        that itself looks as if it had options ends in another question mark: ``/data/run?a=1?`` is the folder
        ``run?a=1``, and ``/data/run?a=1??level=2`` its level 2.
    """

    scheme: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: Location) -> Uri:
        """Parse a URI or a bare path; a `pathlib.Path` is only a path, without options.

        Raises
        ------
        InvalidUri
            If it is not text or a path, if the path is empty, or the query malformed.
        """
        if not isinstance(text, str | os.PathLike):
            raise InvalidUri(
                f"{describe_value(text)} is not a URI; expected text such as zarr://PATH, or a pathlib.Path"
            )
        plain = isinstance(text, PurePath)
        text = os.fspath(text)
        if not isinstance(text, str) or "\0" in text:
            raise InvalidUri(f"{describe_value(text)} cannot be a URI or path; expected text without null characters")
        if plain:
            return cls("", _SLASHES.sub("/", text))
        matched = _SCHEME.match(text)
        scheme, rest = (matched[1].lower(), matched[2]) if matched else ("", text)
        scheme, rest = ("", _FILE.sub("", text)) if scheme == "file" else (scheme, _FILE.sub("", rest))
        rest = _SLASHES.sub("/", rest)
        path, mark, tail = rest.rpartition("?")
        query: dict[str, str] = {}
        if mark and _QUERY.fullmatch(tail):
            if _has_query(path) and not path.endswith("?"):
                raise InvalidUri(f"{redact(text)}: options are joined by &; write {redact(_joined(text))}")
            path, query = path.removesuffix("?"), _options(tail, text)
        elif not mark or tail:
            path = rest
        if matched_inside := _INNER_QUERY.fullmatch(path):
            path, query = matched_inside[1] + matched_inside[3], {**_options(matched_inside[2], text), **query}
        if not path:
            raise InvalidUri(f"{text!r} has no path; write scheme://path, or a path")
        return cls(*_split_pipeline(scheme, path), query)

    @property
    def local_path(self) -> Path:
        """The path on this machine: absolute, without ``..``; ``~`` is the home folder."""
        path = Path(self.path).expanduser().absolute()
        return path.resolve() if ".." in path.parts else path

    @property
    def has_secrets(self) -> bool:
        """Whether it contains a user name, a password or a token."""
        return str(self) != self.reveal()

    def reveal(self) -> str:
        """Return the URI with its secrets, to open it in this process."""
        return self._text(self.query)

    def __str__(self) -> str:
        """Return the URI without user name, password and tokens, to show or record it."""
        text = self._text({name: HIDDEN if is_secret(name) else value for name, value in self.query.items()})
        return redact(text) if "://" in self.path or self.scheme in _NETWORKS else without_credentials(text)

    def _text(self, query: Mapping[str, str]) -> str:
        head = f"{self.scheme}://" if self.scheme else ""
        tail = f"?{urlencode(query, safe=':,*', errors='surrogateescape')}" if query else ""
        return f"{head}{self.path}{'?' * _has_query(self.path)}{tail}"

    def __repr__(self) -> str:
        return f"Uri({str(self)!r})"


def _options(tail: str, text: str) -> dict[str, str]:
    """Return the options of a URI."""
    try:
        return dict(parse_qsl(tail, keep_blank_values=True, strict_parsing=True, errors="surrogateescape"))
    except ValueError as error:
        raise InvalidUri(f"{redact(text)}: {redact(str(error))}; options are NAME=VALUE, joined by &") from None


def _split_pipeline(scheme: str, path: str) -> tuple[str, str]:
    """Return scheme and path of a URL pipeline of Neuroglancer or tensorstore, as ``s3://bucket/a.zip|zip:|zarr3:``."""
    matched = _PIPELINE.fullmatch(path)
    if matched is None:
        return scheme, path
    base, format, inner = matched.groups()
    found = format.removeprefix("neuroglancer-").rstrip("23")
    store = "" if scheme in ("", found) else f"{scheme}://"
    return found, f"{store}{base}{'/' * bool(inner)}{inner}"


def _has_query(path: str) -> bool:
    """Whether the end of a path would be read as options."""
    _, mark, tail = path.rpartition("?")
    return bool(mark) and (not tail or _QUERY.fullmatch(tail) is not None)


def _joined(text: str) -> str:
    """Return a URI with its options joined by ``&``."""
    head, *rest = text.split("?")
    while rest and not _QUERY.fullmatch(rest[0]):
        head = f"{head}?{rest.pop(0)}"
    return f"{head}?{'&'.join(rest)}"


def location_text(location: Location) -> str:
    """Return a URI or path as text that is parsed as it is: a question mark in a `pathlib.Path` begins no options.

    Examples
    --------
    >>> location_text("a.zarr?level=1"), location_text(Path("a.zarr?level=1"))
    ('a.zarr?level=1', 'a.zarr?level=1?')
    """
    return location if isinstance(location, str) else Uri.parse(location).reveal()


def at_level(text: str, level: int) -> str:
    """Return the URI of a level of a volume; `text` itself for level 0.

    Examples
    --------
    >>> at_level("zarr://s3://bucket/em.zarr?region=eu-west-1", 2)
    'zarr://s3://bucket/em.zarr?region=eu-west-1&level=2'
    """
    return with_options(text, level=level) if level else text


def with_options(text: str, **options: object) -> str:
    """Return a URI with further options; they replace those of the same names.

    Examples
    --------
    >>> with_options("zarr://em.zarr?level=1", window="0:255")
    'zarr://em.zarr?level=1&window=0:255'
    >>> with_options("zarr://em.zarr?level=1&c=0", level=2)
    'zarr://em.zarr?c=0&level=2'
    """
    uri = Uri.parse(text)
    if set(options) & set(uri.query):
        kept = {name: value for name, value in uri.query.items() if name not in options}
        return replace(uri, query={**kept, **{name: str(value) for name, value in options.items()}}).reveal()
    base = f"{text}&" if uri.query else f"{text}?"
    return base + "&".join(f"{name}={value}" for name, value in options.items())


def require_options(uri: Uri, known: Collection[str], owner: str) -> None:
    """Raise unless a URI has only options that all stores have, or its own store.

    Parameters
    ----------
    uri : Uri
        URI to check.
    known : collection of str
        Options of its store.
    owner : str
        What has these options, for the message.

    Raises
    ------
    UnknownName
        If one is unknown; the message suggests the closest match.
    """
    names = (LEVEL, *VIEW_OPTIONS, *known)
    for name in uri.query:
        if name not in names:
            raise UnknownName.of("option", name, names, owner)
