"""Redaction: passwords and tokens are removed from addresses, messages and logs."""

from __future__ import annotations

import base64
import json
import logging
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from urllib.parse import quote, quote_plus

HIDDEN = "***"
_NAME = (
    r"(?:[\w.-]*(?:token|passw(?:or)?d|passphrase|passcode|pwd|secret|signature|credentials?|"
    r"access[_-]?key(?:[_-]?id)?|(?:account|api|auth|private|secret|subscription)[_-]?key|authorization)|"
    r"(?:[\w.-]*[_.-])?(?:pass|auth|sig|jwt|cookie))"
)
_SCHEME = r"(?:token|bearer|basic|digest|jwt)[ ]++"
_QUOTE = r"\\*+[\"']"
_QUOTED = rf"""(?P<quote>{_QUOTE})(?:{_SCHEME})?(?P<quoted>(?:[^\\"']++|\\++(?!["'])|(?!(?P=quote))\\*+["'])*)"""
"""A text up to its quote, with as many backslashes, or to the end; each character is matched in one way."""
_BARE = r"[^&\s\"'<>)]*[^&\s\"'<>),;]"
_WORDS = rf"""(?:{_SCHEME}(?P<word>{_BARE})|(?!\*\*\*)(?P<words>[^\s"',)&]++(?:[ ][^\s"',)&]++)?+))"""
_COOKIES = r"""(?P<cookies>[^\s"';]++(?:;[ ]*+[^\s"';]++)*+)"""
_SECRETS = tuple(
    re.compile(rf"(?i){pattern}")
    for pattern in (
        rf"(?<![\w-])(?:set-)?cookie *+: *+{_COOKIES}",
        rf"authorization *+: *+{_WORDS}",
        rf"(?<![\w-])(?=x-){_NAME} *+: *+(?P<bare>{_BARE})",
        rf"(?<=[\"'])(?:authorization|(?:set-)?cookie|(?=x-){_NAME}){_QUOTE}\s*+[:,]\s*+b?{_QUOTED}",
        rf"(?<=[\"'])(?!access[_-]?key(?:[_-]?id)?{_QUOTE}){_NAME}{_QUOTE}\s*+:\s*+b?{_QUOTED}",
        rf"(?<![\w.-]){_NAME}[ \t]*+=(?!=)[ \t]*+b?{_QUOTED}",
        rf"(?<![\w.-]){_NAME}[ \t]*+=(?!=)[ \t]*+(?:{_SCHEME})?(?P<bare>{_BARE})",
        rf"(?<!\\)(?={_QUOTE}{_SCHEME}){_QUOTED}",
    )
)
"""A name, a separator, and a secret: of headers, JSON, Python, assignments, queries; values of headers in quotes."""
_CREDENTIALS = re.compile(r":/{1,2}(?P<user>[^/?#\s]*@)")
_ODD_PASSWORD = re.compile(r":/{1,2}(?=[^/?\s:@\[]*:(?!//|\d{1,5}(?:[/?#\s]|$)))(?:(?P<odd>[^\s@'\"]*+@)|[^\s@'\"]*+)")
"""A user, and a password with a slash, question mark or hash, which should be percent-encoded."""
_BARE_PASSWORD = re.compile(r"(?<=[\"' (])(?P<login>[^\s\"'/:@()]+:[^\s\"'/@]+@)(?=[\w.-])(?!sha\d+:)")
"""User and password of an address whose scheme is left out, which libraries quote."""
_MARK = re.compile(r"[:=%\"']")
"""What is in every text that has a secret; paths of files have none of them, and are the texts that are read most."""
_ESCAPE = re.compile(r"%[0-7][0-9A-Fa-f]")
_ENCODINGS = 4
"""How often the text of an address may be percent-encoded."""
_SECRET_NAME = re.compile(rf"(?i){_NAME}")
_SHORTEST = 7
"""Least length of a token that is hidden wherever it is; that of the public, `public`, is a word."""
_revealed: set[str] = set()
"""Tokens that this process has used."""
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
        """Return the text, for a request; logs of this process hide it from then on, as a server may echo it."""
        if len(self._text) >= _SHORTEST and "://" not in self._text:
            _revealed.add(self._text)
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
    return _replace((_ODD_PASSWORD, _CREDENTIALS, _BARE_PASSWORD), text, "")


def redact(text: str, secrets: Collection[str] = ()) -> str:
    """Return `text` without users and passwords of addresses, tokens of queries and headers, and the given `secrets`.

    Examples
    --------
    >>> redact("GET http://me:pass@host/x?admintoken=abc&n=1, Authorization: Token abcdef")
    'GET http://host/x?admintoken=***&n=1, Authorization: Token ***'
    """
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        text = text.replace(form, HIDDEN)
    return _replace(_SECRETS, without_credentials(text), HIDDEN)


def _replace(patterns: Collection[re.Pattern[str]], text: str, shown: str) -> str:
    """Return `text` with what the last group of a pattern matches, as it is or percent-encoded, replaced by `shown`."""
    if _MARK.search(text) is None:
        return text
    spans = list[tuple[int, int]]()
    decoded = text
    places: Sequence[int] = range(len(text) + 1)
    for _ in range(_ENCODINGS):
        for pattern in patterns:
            for match in pattern.finditer(decoded):
                if match.lastgroup is not None:
                    first, last = match.span(match.lastgroup)
                    spans.append((places[first], places[last]))
        length = len(decoded)
        decoded, places = _decode(decoded, places)
        if len(decoded) == length:
            break
    parts, end = list[str](), 0
    for first, last in sorted(spans):
        if first >= end:
            parts += [text[end:first], shown]
        end = max(end, last)
    return "".join(parts) + text[end:]


def _decode(text: str, places: Sequence[int]) -> tuple[str, Sequence[int]]:
    """Return a percent-encoded text decoded once, with the place of each of its characters."""
    parts, kept, end = list[str](), list[int](), 0
    for match in _ESCAPE.finditer(text):
        parts += [text[end : match.start()], chr(int(match[0][1:], 16))]
        kept += places[end : match.start() + 1]
        end = match.end()
    return "".join(parts) + text[end:], [*kept, *places[end:]]


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


def hide_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the secrets in it.

    Examples
    --------
    >>> hide_secrets("--set name=abc", ["abc"])
    '--set name=***'
    """
    for one in filter(None, secrets):
        text = text.replace(one, HIDDEN)
    return text


class RedactedFormatter(logging.Formatter):
    """Formats records without secrets, whichever library logs them."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record), frozenset(_revealed))


class _Redacting(logging.Filter):
    """Redacts the records of a logger."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if (shown := redact(message, frozenset(_revealed))) != message:
            record.msg, record.args = shown, ()
        return True


_FILTER = _Redacting()


def quieten_libraries() -> None:
    """Redact the logs of the HTTP libraries, which contain complete addresses and headers."""
    for name in _LIBRARIES:
        logging.getLogger(name).addFilter(_FILTER)
