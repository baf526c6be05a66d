"""Redaction: passwords and tokens are removed from addresses, messages and logs."""

from __future__ import annotations

import base64
import json
import logging
import re
import shlex
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_NAME = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|passphrase|pwd|secret|signature|credentials?|"
    r"access[_-]?key(?:[_-]?id)?|(?:api|private|secret)[_-]?key)|(?:[\w.-]*[_.-])?(?:pass|auth|sig|jwt))"
)
_COLON, _SLASHES, _AT = r"(?::|%(?:25)*3A)", r"(?:/{1,2}|(?:%(?:25)*2F){1,2})", r"(?:@|%(?:25)*40)"
"""Separators of addresses, as they are or percent-encoded, once or several times."""
_CREDENTIALS = re.compile(rf"(?i)({_COLON}{_SLASHES})(?:(?!%(?:25)*[23]F)[^/?#\s])*{_AT}")
_ODD_PASSWORD = re.compile(rf"(?i)({_COLON}{_SLASHES})[^/?\s:@\[]*:(?!//|\d{{1,5}}(?:[/?#\s]|$))[^\s@'\"]{{,200}}@")
"""A user, and a password with a slash, question mark or hash, which should be percent-encoded."""
_IN_QUERY = re.compile(rf"(?i)(?<=[?&;#])({_NAME})(=|%3D)[^&\s\"'<>)]+")
_ASSIGNED = re.compile(rf"(?i)(?<![\w.?&;#%-])({_NAME})=(?!=)[^&\s\"'<>),;]+")
_QUOTE = r"\\*+[\"']"
_QUOTED = r"""(?:[^\\"']++|\\++(?!["'])|(?!\2)\\*+["'])*+(?:\2)?"""
"""A text up to the quote of group 2, with as many backslashes, or to the end; each character is matched in one way."""
_IN_JSON = re.compile(
    rf"(?i)([\"'](?!access[_-]?key(?:[_-]?id)?{_QUOTE}){_NAME}{_QUOTE}\s*+:\s*+b?)({_QUOTE}){_QUOTED}"
)
_IN_HEADER = re.compile(
    r"(?i)(authorization\W{1,6}(?:token|bearer|basic) +|x-(?:amz-security|auth|access)-token(?:\W{1,6}b['\"]|\W{1,6})|"
    r"x-api-key(?:\W{1,6}b['\"]|\W{1,6})|(?<![\w-])(?:set-)?cookie: *)[^\s'\",)]+"
)
_BARE_TOKEN = re.compile(rf"(?<!\\)(b?)({_QUOTE})(Token|Bearer|Basic) {_QUOTED}")
"""The value of a header of authorization, as libraries quote it."""
_BARE_PASSWORD = re.compile(r"(?<=[\"' (])[^\s\"'/:@()]+:[^\s\"'/@]+@(?=[\w.-])(?!sha\d+:)")
"""User and password of an address whose scheme is left out, which libraries quote."""
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
    return _BARE_PASSWORD.sub("", _CREDENTIALS.sub(r"\1", _ODD_PASSWORD.sub(r"\1", text)))


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without users and passwords of addresses, tokens of queries and headers, and the given `secrets`.

    Examples
    --------
    >>> redact("GET http://me:pass@host/x?admintoken=abc&n=1, Authorization: Token abcdef")
    'GET http://host/x?admintoken=***&n=1, Authorization: Token ***'
    """
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    text = _IN_JSON.sub(rf"\1\2{HIDDEN}\2", without_credentials(text))
    text = _IN_QUERY.sub(rf"\1\2{HIDDEN}", _ASSIGNED.sub(rf"\1={HIDDEN}", text))
    return _BARE_TOKEN.sub(rf"\1\2\3 {HIDDEN}\2", _IN_HEADER.sub(rf"\1{HIDDEN}", text))


def _forms(secret: str) -> Iterator[str]:
    """Yield the forms in which a secret may be in a text: bare, percent-encoded, escaped, and in base64."""
    for one in {secret, secret.strip()} - {""}:
        yield from (one, quote(one), quote(one, safe=""), quote_plus(one), repr(one)[1:-1], json.dumps(one)[1:-1])
        yield base64.b64encode(one.encode()).decode().rstrip("=")


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
