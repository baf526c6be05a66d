"""Redaction: passwords and tokens are removed from addresses, messages and logs."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Collection, Sequence

HIDDEN = "***"
_NAME = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|passphrase|pwd|secret|signature|credentials?|"
    r"access_?key(?:_?id)?|(?:api|private|secret)_?key)|(?:[\w.-]*[_.-])?(?:pass|auth|sig|jwt))"
)
_CREDENTIALS = re.compile(r"(?<=://)[^/?\s]*@")
_IN_QUERY = re.compile(rf"(?i)(?<=[?&])({_NAME})=[^&\s\"'<>)]+")
_IN_HEADER = re.compile(
    r"(?i)(authorization\W{1,6}(?:token|bearer|basic) +|x-amz-security-token(?:\W{1,6}b['\"]|\W{1,6}))[^\s'\",)]+"
)
_SECRET_NAME = re.compile(rf"(?i){_NAME}")
_LIBRARIES = ("httpx", *(f"httpcore.{part}" for part in ("connection", "http11", "http2", "proxy", "socks")))


class Secret:
    """A text that is never printed.

    Examples
    --------
    >>> token = Secret("abc")
    >>> token, f"{token}", token.reveal()
    (Secret(***), '***', 'abc')
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text, for a request."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({HIDDEN})"

    def __str__(self) -> str:
        return HIDDEN

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> str:
        raise TypeError("A secret cannot be pickled; each process reads it from the profile or the environment")


def is_secret(name: str) -> bool:
    """Return whether a query parameter or option of this name is a secret.

    Examples
    --------
    >>> is_secret("admintoken"), is_secret("X-Amz-Signature"), is_secret("db_pass"), is_secret("key")
    (True, True, True, False)
    """
    return _SECRET_NAME.fullmatch(name) is not None


def without_credentials(text: str) -> str:
    """Return `text` without the user names and passwords of the addresses in it."""
    return _CREDENTIALS.sub("", text)


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without users and passwords of addresses, tokens of queries and headers, and the given `secrets`.

    Examples
    --------
    >>> redact("GET http://me:pass@host/x?admintoken=abc&n=1, Authorization: Token abcdef")
    'GET http://host/x?admintoken=***&n=1, Authorization: Token ***'
    """
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    text = _IN_QUERY.sub(rf"\1={HIDDEN}", without_credentials(text))
    return _IN_HEADER.sub(rf"\1{HIDDEN}", text)


def command_line(arguments: Sequence[str]) -> str:
    """Return a command as a shell takes it, without the values of secret options and of secrets in addresses.

    Examples
    --------
    >>> command_line(["run", "--set", "api_key=abc", "--token", "abc", "http://me:pass@host/a b"])
    "run --set 'api_key=***' --token '***' 'http://host/a b'"
    """
    shown, before = [], ""
    for one in arguments:
        name, equals, _ = one.partition("=")
        if equals and is_secret(name.lstrip("-")):
            shown.append(f"{name}={HIDDEN}")
        else:
            shown.append(HIDDEN if before.startswith("--") and is_secret(before[2:]) else redact(one))
        before = one
    return shlex.join(shown)


class RedactedFormatter(logging.Formatter):
    """Formats records without secrets, whichever library logs them."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


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
