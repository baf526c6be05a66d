"""Addresses and frames of a viewer in a notebook: on this machine, or behind the proxy of a hub."""

from __future__ import annotations

import html
from collections.abc import Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

_PREFIX = "JUPYTERHUB_SERVICE_PREFIX"
_PUBLIC = ("JUPYTERHUB_PUBLIC_URL", "JUPYTERHUB_HOST")
"""Variables with the address of a hub, as browsers know it; the first that is set counts."""
ANY_HOST = "*"


def hub_address(environment: Mapping[str, str], address: str) -> str | None:
    """Return the address at which a hub shows a server of this machine; None if there is no hub.

    It is a path if the hub does not say how browsers reach it; such a path is of the host of the notebook.

    Parameters
    ----------
    environment : mapping of str to str
        Variables of this process.
    address : str
        ``http://HOST:PORT``.

    Examples
    --------
    >>> hub_address({"JUPYTERHUB_SERVICE_PREFIX": "/user/ann/"}, "http://127.0.0.1:8001")
    '/user/ann/proxy/8001'
    """
    prefix = environment.get(_PREFIX, "")
    if not prefix:
        return None
    path = "/".join(["", *filter(None, prefix.split("/")), "proxy", str(urlsplit(address).port)])
    return _origin(environment) + path


def hub_hosts(environment: Mapping[str, str]) -> list[str]:
    """Return the host names under which requests come through the proxy of a hub; none without a hub."""
    if not environment.get(_PREFIX):
        return []
    return [urlsplit(_origin(environment)).hostname or ANY_HOST]


def frame(url: str) -> str:
    """Return the HTML of a notebook that shows a page, with a link where the frame stays empty."""
    link = f'<a href="{html.escape(url)}" target="_blank">{html.escape(url)}</a>'
    return (
        f'<iframe src="{html.escape(url)}" width="100%" height="600" style="border:0"></iframe>'
        f"<p>{link}{_hint(url)}</p>"
    )


def _hint(url: str) -> str:
    """Say what the frame needs behind a hub, if this may be missing."""
    if "/proxy/" not in url or find_spec("jupyter_server_proxy") is not None:
        return ""
    return (
        ": if nothing is shown above, install <code>jupyter-server-proxy</code> where the notebook server runs, and "
        "start the server again"
    )


def _origin(environment: Mapping[str, str]) -> str:
    """Return ``https://HOST`` of the hub; empty if it is not known."""
    given = next((environment[name] for name in _PUBLIC if environment.get(name)), "")
    parts = urlsplit(given)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") and parts.netloc else ""
