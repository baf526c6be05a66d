"""A Boss server's interface: its address, its errors, its paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import httpx

from voxome.errors import CorruptData
from voxome.remotes.bossdb.account import authorization
from voxome.remotes.bossdb.address import checked
from voxome.remotes.http import Api, message_text

Json = Mapping[str, Any]


def api_of(host: str) -> Api:
    """The interface of the server at `host`."""
    return Api(host, headers=partial(authorization, host), explain=explain)


def explain(answer: httpx.Response) -> str:
    """The message and code of a refusal, which are JSON; else the text as it is."""
    try:
        said = answer.json()
        return f"{said['message']} (code {said['code']})"
    except (ValueError, KeyError, TypeError):
        return message_text(answer)


def path(*parts: str | int) -> str:
    """The path of what `parts` name, as ``path("meta", collection)``.

    Raises
    ------
    InvalidInput
        If a part has characters that BossDB does not allow.
    """
    return "/".join(["/v1", *(checked(str(part)) for part in parts)]) + "/"


def channel_path(collection: str, experiment: str, channel: str) -> str:
    """The path of a channel's description."""
    return path("collection", collection, "experiment", experiment, "channel", channel)


@contextmanager
def understood(what: str) -> Iterator[None]:
    """Errors of missing or odd values inside become one that names `what` the server said it of.

    Raises
    ------
    CorruptData
        In place of KeyError, TypeError, IndexError and ValueError.
    """
    try:
        yield
    except CorruptData:
        raise
    except (KeyError, TypeError, IndexError, ValueError, AttributeError) as error:
        raise CorruptData(f"what the server says of {what} makes no sense: {error!r}") from error
