"""Addresses of Neuroglancer's data sources, and the URIs of voxome for them."""

from __future__ import annotations

import re

from voxome.contracts.uri import Uri
from voxome.errors import InvalidInput, UnsupportedFormat
from voxome.redaction import redact

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://(.*)", re.DOTALL)
_LOGIN = re.compile(r"\bmiddleauth\+(?=https?://)")
_TLS = "https://"


_SAME = ("graphene", "n5", "nifti", "precomputed", "zarr")
"""Schemes that voxome and Neuroglancer have in common."""
_URIS = {**{name: f"{name}://" for name in _SAME}, "boss": "bossdb://", "zarr2": "zarr://", "zarr3": "zarr://"}
"""Scheme of a source of Neuroglancer → beginning of the URI; that of DVID depends on the protocol."""
_SOURCES = {
    **{name: f"{name}://" for name in _SAME},
    "bossdb": "boss://",
    "dvid": "dvid://http://",
    "dvids": "dvid://https://",
}
"""Scheme of a URI → beginning of the source of Neuroglancer."""


def parse_source(source: str) -> str:
    """Return the URI of a data source of Neuroglancer.

    Parameters
    ----------
    source : str
        As in the JSON state: ``precomputed://gs://bucket/em``, ``boss://https://host/c/e/channel``, or a URL pipeline
        as ``s3://bucket/em.zarr/|zarr3:``. The login that ``middleauth+`` asks for is left to the settings of voxome.

    Raises
    ------
    UnsupportedFormat
        If voxome does not read this kind of source.

    Examples
    --------
    >>> parse_source("dvid://https://host/abc/segmentation")
    'dvids://host/abc/segmentation'
    >>> parse_source("s3://bucket/em.zarr/|zarr3:")
    's3://bucket/em.zarr/|zarr3:'
    """
    address = _LOGIN.sub("", source.strip()).partition("#")[0].rstrip("/")
    matched = _SCHEME.fullmatch(address)
    if matched is None:
        raise UnsupportedFormat(f"{source!r} is not a data source of Neuroglancer; expected SCHEME://ADDRESS")
    scheme, rest = matched.groups()
    if scheme == "dvid":
        return f"{'dvids' if rest.startswith(_TLS) else 'dvid'}://{re.sub('^https?://', '', rest)}"
    if scheme in _URIS:
        return _URIS[scheme] + rest
    if scheme in ("gs", "http", "https", "s3"):
        return address
    raise UnsupportedFormat(
        f"{redact(source)}: voxome does not read {scheme}:// of Neuroglancer; "
        f"it reads {', '.join(sorted([*_URIS, 'dvid']))}"
    )


def build_source(uri: Uri) -> str:
    """Return the data source of Neuroglancer at a URI, without its options.

    Raises
    ------
    UnsupportedFormat
        If Neuroglancer does not read this format.
    InvalidInput
        If only this machine reaches it, or the address contains a secret, which would be in every link.
    """
    if uri.scheme not in _SOURCES:
        raise UnsupportedFormat(
            f"{uri}: Neuroglancer does not read {uri.scheme}://; it reads {', '.join(sorted(_SOURCES))}; "
            "serve the volume with `voxome serve`, or convert it"
        )
    if uri.has_secrets:
        raise InvalidInput(f"{uri}: a link would contain the credentials in this address; leave them out")
    source = _SOURCES[uri.scheme] + uri.path
    if source.count("://") < 2 and uri.scheme == "bossdb":
        raise InvalidInput(f"{uri} names no server; open it as bossdb://https://HOST/COLLECTION/EXPERIMENT/CHANNEL")
    if source.count("://") < 2:
        raise InvalidInput(f"{uri} is on this machine, where a browser cannot read it; serve it with `voxome serve`")
    return source
