"""The REST API of a Boss server: its address, errors and paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from voxome.errors import CorruptData
from voxome.remotes.bossdb.account import authorization
from voxome.remotes.bossdb.address import check_name
from voxome.remotes.http import Api, message_text

Json = Mapping[str, Any]


def api_at(host: str) -> Api:
    """Return the API of the server at `host`."""
    return Api(host, headers=partial(authorization, host), explain=explain)


def explain(response: httpx.Response) -> str:
    """Return the message and code of a JSON error; the text of any other."""
    try:
        document = response.json()
        return f"{document['message']} (code {document['code']})"
    except (ValueError, KeyError, TypeError, RecursionError):
        return message_text(response)


def path(*parts: str | int) -> str:
    """Return the path of an endpoint, as ``path("meta", collection)``.

    Raises
    ------
    InvalidInput
        If a part has characters that BossDB does not allow.
    """
    return "/".join(["/v1", *(check_name(str(part)) for part in parts)]) + "/"


@contextmanager
def parsing(what: str) -> Iterator[None]:
    """Raise errors of missing or malformed values inside the context as `CorruptData` about `what`.

    Raises
    ------
    CorruptData
        In place of KeyError, TypeError, IndexError and ValueError.
    """
    try:
        yield
    except CorruptData:
        raise
    except (KeyError, TypeError, IndexError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise CorruptData(f"malformed response of the server about {what}: {error!r}") from error
