"""Addresses that hold in any working directory."""

from __future__ import annotations

from dataclasses import replace

from voxome.contracts.abilities import SupportsRecognise
from voxome.contracts.uri import Uri
from voxome.errors import InvalidUri, UnknownName
from voxome.registry import targets
from voxome.resources.recognition import get_remote
from voxome.storage.find import GROUP


def absolute(uri: Uri) -> Uri:
    """Return `uri` with an absolute path, so that it holds in any working directory."""
    if "://" in uri.path or not has_local_paths(uri.scheme):
        return uri
    return replace(uri, path=str(uri.local_path))


def absolute_text(uri: str) -> str:
    """Return the text of a URI with an absolute path, without secrets; any other text as it is."""
    try:
        parsed = Uri.parse(uri)
        return str(absolute(parsed)) if parsed.scheme else uri
    except (InvalidUri, UnknownName):
        return uri


def has_local_paths(scheme: str) -> bool:
    """Return whether the path of a URI of `scheme` is one on this machine, unless it is an address."""
    return scheme not in targets(GROUP) and isinstance(get_remote(scheme), SupportsRecognise)
