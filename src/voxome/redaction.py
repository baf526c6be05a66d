"""Redaction: passwords and tokens are removed from messages and logs."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection

from voxome.contracts.uri import without_secrets

HIDDEN = "***"
_NAME = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|passphrase|pwd|secret|signature|credentials?|"
    r"access_?key(?:_?id)?|(?:api|private|secret)_?key)|(?:[\w.-]*[_.-])?(?:pass|auth))"
)
_IN_QUERY = re.compile(rf"(?i)(?<=[?&])({_NAME})=[^&\s\"'<>)]+")
_IN_HEADER = re.compile(r"(?i)(authorization\W{1,6}(?:token|bearer|basic) +)[^\s'\",)]+")
_SECRET_NAME = re.compile(rf"(?i){_NAME}")
_LIBRARIES = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


def is_secret(name: str) -> bool:
    """Return whether a query parameter or option of this name is a secret.

    Examples
    --------
    >>> is_secret("admintoken"), is_secret("X-Amz-Signature"), is_secret("db_pass"), is_secret("key")
    (True, True, True, False)
    """
    return _SECRET_NAME.fullmatch(name) is not None


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without users and passwords of addresses, tokens of queries and headers, and the given `secrets`.

    Examples
    --------
    >>> redact("GET http://me:pass@host/x?admintoken=abc&n=1, Authorization: Token abcdef")
    'GET http://host/x?admintoken=***&n=1, Authorization: Token ***'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _IN_QUERY.sub(rf"\1={HIDDEN}", without_secrets(text))
    return _IN_HEADER.sub(rf"\1{HIDDEN}", text)


class _Redacting(logging.Filter):
    """Redacts the records of a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (shown := redact(message)) != message:
            record.msg, record.args = shown, ()
        return True


_FILTER = _Redacting()


def quieten_libraries() -> None:
    """Redact the logs of the HTTP libraries, which contain complete addresses and headers."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_FILTER)
