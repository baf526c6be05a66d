"""Texts for people, without the passwords and tokens that stand in them."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from voxome.contracts.uri import without_secrets

HIDDEN = "***"
_NAME = r"[\w.-]*(?:token|passw(?:or)?d|secret|signature|credential|access_?key(?:_?id)?|api_?key)"
_IN_QUERY = re.compile(rf"(?i)(?<=[?&])({_NAME})=[^&\s\"'<>)]+")
_IN_HEADER = re.compile(r"(?i)(authorization\W{1,6}(?:token|bearer|basic) +)[^\s'\",)]+")
_SECRET_NAME = re.compile(rf"(?i){_NAME}")
_LIBRARIES = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


def is_secret(name: str) -> bool:
    """Whether what is called so in a query is a secret.

    Examples
    --------
    >>> is_secret("admintoken"), is_secret("X-Amz-Signature"), is_secret("key")
    (True, True, False)
    """
    return _SECRET_NAME.fullmatch(name) is not None


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """`text` without users and passwords of addresses, tokens of queries and headers, and `secrets` that are known.

    Examples
    --------
    >>> redact("GET http://me:pass@host/x?admintoken=abc&n=1, Authorization: Token abcdef")
    'GET http://host/x?admintoken=***&n=1, Authorization: Token ***'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _IN_QUERY.sub(rf"\1={HIDDEN}", without_secrets(text))
    return _IN_HEADER.sub(rf"\1{HIDDEN}", text)


class _Discreet(logging.Filter):
    """Takes secrets out of the records of a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (shown := redact(said)) != said:
            record.msg, record.args = shown, ()
        return True


_FILTER = _Discreet()


def quieten_libraries() -> None:
    """Keep the loggers of the HTTP libraries, which write whole addresses and headers, from showing a secret."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_FILTER)
