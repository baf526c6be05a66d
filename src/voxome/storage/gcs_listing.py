"""Folders of Google Cloud Storage, listed a page at a time by its JSON API.

Source: https://cloud.google.com/storage/docs/json_api/v1/objects/list
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import httpx

from voxome.config.settings import settings
from voxome.errors import AccessDenied, NotFound, StoreError
from voxome.extras import require
from voxome.redaction import redact
from voxome.storage.http_client import RefusedBody, http_client, of_first_request
from voxome.storage.page import Page
from voxome.storage.response_time import SlowResponse

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_only"
_FIELDS = "prefixes,items(name),nextPageToken"
_REFUSED = frozenset({401, 403})
_TEMPORARY = frozenset({408, 429})
_LARGEST_BYTES = 1 << 26
_SERVER_ERROR = 500
"""Statuses that may change: these two, and all from 500 on."""
_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 1.0
"""Delays between attempts: doubled from the first on, with jitter, up to the longest."""


def gcs_pages(
    name: str,
    server: str,
    bucket: str,
    prefix: str,
    delimiter: str = "/",
    *,
    anonymous: bool,
    project: str | None,
) -> Iterator[Page]:
    """Yield the pages of a prefix, in the order of their keys.

    Parameters
    ----------
    name : str
        Address of the prefix, for messages.
    server : str
        Address of Google's server, or of one that speaks its API.
    bucket, prefix : str
        Name of the bucket, and start of the keys: empty, or with a slash at its end.
    delimiter : str
        What ends the name of a folder; with an empty one, all keys below the prefix are its files.
    anonymous : bool
        Whether to send no credentials.
    project : str or None
        Project that is billed.

    Raises
    ------
    NotFound
        If the bucket does not exist.
    AccessDenied, StoreError
        If the server refuses, or fails.
    MissingExtra
        If credentials are needed, and google-auth is not installed.
    """
    url = f"{server}/storage/v1/b/{quote(bucket, safe='')}/o"
    headers = {} if anonymous else {"Authorization": f"Bearer {_token(name)}"}
    query = {
        "delimiter": delimiter,
        "prefix": prefix,
        "fields": _FIELDS,
        **({"userProject": project} if project else {}),
    }
    token: str | None = ""
    seen: set[str] = set()
    while token is not None:
        if token in seen:
            raise StoreError(f"{name} cannot be listed: the server repeats its pages without an end")
        seen.add(token)
        reply = _page(name, url, headers, {**query, **({"pageToken": token} if token else {})})
        folders, items = reply.get("prefixes", ()), reply.get("items", ())
        if folders or items:
            yield Page.of(
                (key.removeprefix(prefix).removesuffix("/") for key in folders),
                (one["name"].removeprefix(prefix).removesuffix("/") for one in items),
            )
        token = reply.get("nextPageToken")


def _page(name: str, url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> dict[str, Any]:
    try:
        reply = _get(url, headers, query)
        if reply.is_success:
            return dict(reply.json())
    except (httpx.HTTPError, ValueError) as error:
        raise StoreError(f"{name} cannot be listed: {redact(repr(error))}") from error
    what = f"{reply.status_code} {' '.join(reply.text.split())[:300]}"
    if reply.status_code == 404:
        raise NotFound(f"{name}: the bucket does not exist ({what}); check its name")
    if reply.status_code in _REFUSED:
        raise AccessDenied(
            f"{name}: the server refuses to list it ({what}); give other credentials, or ?anonymous=true where the "
            "bucket is public"
        )
    raise StoreError(f"{name} cannot be listed: the server responded {what}")


def _get(url: str, headers: Mapping[str, str], query: Mapping[str, str]) -> httpx.Response:
    """Return the response of the server; a request that failed for now is repeated, ``retries`` times at most."""
    options: dict[str, Any] = {"params": query, "headers": headers}
    client = http_client(settings().stall_s)
    for attempt in range(settings().retries):
        try:
            reply = client.get(url, **options, extensions=of_first_request(_LARGEST_BYTES))
        except httpx.TransportError as error:
            if isinstance(error, RefusedBody | SlowResponse):
                raise
        else:
            if reply.status_code not in _TEMPORARY and reply.status_code < _SERVER_ERROR:
                return reply
        time.sleep(min(_FIRST_DELAY_S * 2**attempt, _LONGEST_DELAY_S) * random.uniform(0.5, 1))
    return client.get(url, **options, extensions=of_first_request(_LARGEST_BYTES))


def _token(name: str) -> str:
    """Return an access token of Google's application-default credentials."""
    require("gs", "google.auth", "requests")
    import google.auth
    from google.auth.exceptions import GoogleAuthError
    from google.auth.transport.requests import Request

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
        credentials.refresh(Request())
    except GoogleAuthError as error:
        raise AccessDenied(
            f"{name}: Google's application-default credentials cannot be used: {error}; add ?anonymous=true where the "
            "bucket is public"
        ) from error
    return str(credentials.token)
