"""HTTP client shared by the remotes behind a web API: connection pool, retries, errors, concurrent requests."""

from __future__ import annotations

import json as jsonlib
import logging
import random
import re
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    InvalidInput,
    NotFound,
    RelayLoop,
    StoreError,
    VoxomeError,
)
from voxome.redaction import HIDDEN, is_secret, redact
from voxome.storage.bounded_file import MOST_DOCUMENT_BYTES
from voxome.storage.http_client import RefusedBody, http_client, of_first_request
from voxome.storage.response_time import SlowResponse

T = TypeVar("T")
R = TypeVar("R")

TIMEOUT_S = 60.0
"""How long a server may be silent before a request fails."""
RETRIES = 6
"""How often a failed request is sent again."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
"""Delays between attempts: doubled from the first on, with jitter, up to the longest."""
LONGEST_WAIT_S = 60.0
"""Upper limit of the delay that a server asks for in Retry-After."""

_LOG = logging.getLogger(__name__)
_UNAVAILABLE = frozenset({429, 503})
_SERVER_ERRORS = frozenset({500, 502, 504})
_READS = frozenset({"GET", "HEAD"})
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BY_STATUS: dict[int, type[VoxomeError]] = {
    400: InvalidInput,
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    409: AlreadyExists,
    413: InvalidInput,
    508: RelayLoop,
}
_MESSAGE_LENGTH, _LONGEST_REDACTED = 500, 10_000


def message_text(response: httpx.Response) -> str:
    """Return the text of a response for a message: shortened, without any secret that the request carried."""
    text = " ".join(response.text[:_LONGEST_REDACTED].split())
    if len(response.text) > _LONGEST_REDACTED:
        text = text.rpartition(" ")[0] or "…"  # half of a secret could not be recognized
    text = redact(text, _sent_secrets(response.request))
    return text if len(text) <= _MESSAGE_LENGTH else f"{text[:_MESSAGE_LENGTH]} …"


class Api:
    """Client of one web API; safe to share between threads.

    Parameters
    ----------
    base : str
        Address that every path is appended to, ``http://`` or ``https://``.
    headers : callable
        Returns the headers of a request; called for each one, so that no object keeps a token.
    explain : callable
        Extracts the server's message from an error response.
    timeout_s : float
        How long the server may be silent.
    retries : int
        How often a failed request that may be repeated is sent again.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Callable[[], Mapping[str, str]] = dict,
        explain: Callable[[httpx.Response], str] = message_text,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        try:
            url = httpx.URL(base)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"{redact(base)!r} is not an address; write http://HOST[:PORT] or https://HOST")
        self.base = str(url.copy_with(userinfo=b"")).rstrip("/")
        self._headers, self._explain = headers, explain
        self._timeout_s, self._retries = timeout_s, retries

    def __repr__(self) -> str:
        return f"Api({self.base!r})"

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        ok: Collection[int] = (200, 201, 204),
        idempotent: bool | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
        most_bytes: int | None = None,
    ) -> httpx.Response:
        """Send one request, repeat it on failure where that is safe, and return a response with a status in `ok`.

        Parameters
        ----------
        method, path : str
            Such as ``"GET", "/v1/coord/"``; the path is already quoted.
        params : mapping, optional
            Query parameters.
        json, content : optional
            Request body.
        headers : mapping, optional
            Headers in addition to those of every request.
        ok : collection of int
            Statuses that are not errors.
        idempotent : bool, optional
            Whether sending the request twice does no harm; if None, true for GET, HEAD, PUT and DELETE. A request
            rejected with 429 or 503 is always repeated.
        errors : mapping, optional
            Error types by status, where they differ from the usual ones.
        most_bytes : int, optional
            Most bytes of the body of a response; the setting ``largest_chunk_bytes`` if None.

        Raises
        ------
        AccessDenied, NotFound, AlreadyExists, InvalidInput, StoreError
            With the URL, the status and the server's message; its ``status`` is the number, None if no response
            arrived.
        """
        repeatable = method.upper() in _IDEMPOTENT if idempotent is None else idempotent
        problem: VoxomeError
        for attempt in range(self._retries + 1):
            try:
                response = http_client(self._timeout_s).request(
                    method,
                    self.base + path,
                    params=params,
                    json=json,
                    content=content,
                    headers={**self._headers(), **(headers or {})},
                    follow_redirects=method.upper() in _READS,
                    extensions=of_first_request(most_bytes),
                )
            except httpx.TooManyRedirects as error:
                raise self._transport_error(method, path, error) from None
            except UnicodeEncodeError:
                raise InvalidInput(
                    f"{method} {self.base}{path}: a header has a character that is not ASCII; check the token"
                ) from None
            except (httpx.TransportError, httpx.DecodingError) as error:
                problem = self._transport_error(method, path, error)
                if _NO_TLS in str(error) or isinstance(error, RefusedBody | SlowResponse):
                    raise problem from None
                if not repeatable and not isinstance(
                    error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout
                ):
                    raise problem from None
                delay = _backoff(attempt)
            else:
                if response.status_code in ok:
                    return response
                problem = self._status_error(method, response, errors or {})
                if response.status_code not in _UNAVAILABLE and not (
                    repeatable and response.status_code in _SERVER_ERRORS
                ):
                    raise problem
                delay = _retry_after(response, _backoff(attempt))
            if attempt < self._retries:
                if delay > LONGEST_DELAY_S:
                    address = redact(self.base + path)
                    _LOG.warning("%s demands a delay of %.0f s before the next request", address, delay)
                time.sleep(delay)
        raise _with_status(type(problem)(f"{problem} (after {self._retries + 1} attempts)"), problem.status)

    def json(self, method: str, path: str, *, most_bytes: int | None = MOST_DOCUMENT_BYTES, **options: Any) -> Any:
        """Send a request and return the JSON body of the response; `options` are those of `send`.

        Raises
        ------
        CorruptData
            If the body is not JSON.
        """
        response = self.send(method, path, most_bytes=most_bytes, **options)
        try:
            return jsonlib.loads(response.content)
        except (ValueError, RecursionError) as error:
            raise CorruptData(
                f"{method} {printable_url(response.url)} did not respond with JSON: {message_text(response)}"
            ) from error

    def _transport_error(self, method: str, path: str, error: Exception) -> VoxomeError:
        what = re.sub(r"\[Errno -?\d+\] ", "", redact(str(error))) or type(error).__name__
        if isinstance(error, httpx.ConnectError):
            reason = f"cannot connect ({what}); check the host and the port, and that the server runs"
            what = self._without_tls() if _NO_TLS in what else reason
        if isinstance(error, httpx.TimeoutException):
            what = f"no response within {self._timeout_s:g} s"
        return StoreError(f"{method} {self.base}{path}: {what}")

    def _without_tls(self) -> str:
        plain = self.base.replace("https://", "http://", 1)
        return f"the server does not speak TLS, as https:// needs; if it is meant to, name it as {plain}"

    def _status_error(
        self, method: str, response: httpx.Response, errors: Mapping[int, type[VoxomeError]]
    ) -> VoxomeError:
        status = response.status_code
        error_type: type[VoxomeError] = errors.get(status) or _BY_STATUS.get(status, StoreError)
        message = redact(self._explain(response), _sent_secrets(response.request)) or "no message"
        return _with_status(error_type(f"{method} {printable_url(response.url)} answered {status}: {message}"), status)


_NO_TLS = "WRONG_VERSION_NUMBER"
"""What OpenSSL says of a server that answers in plain HTTP."""


def _with_status(error: VoxomeError, status: int | None) -> VoxomeError:
    error.status = status
    return error


def printable_url(url: httpx.URL) -> str:
    """Return a URL without user, password and tokens, for messages."""
    names = "&".join(f"{name}={HIDDEN if is_secret(name) else value}" for name, value in url.params.multi_items())
    bare = str(url.copy_with(userinfo=b"", query=None))
    return f"{bare}?{names}" if names else bare


def fan_out(call: Callable[[T], R], items: Iterable[T], *, workers: int) -> list[R]:
    """Return ``[call(item) for item in items]``, computed in threads; the first error stops the rest and is raised.

    At most twice `workers` items are queued at a time.
    """
    todo = deque(enumerate(items))
    if len(todo) <= 1 or workers == 1:
        return [call(item) for _, item in todo]
    results: dict[int, R] = {}
    pending: dict[Future[R], int] = {}
    count = len(todo)
    with ThreadPoolExecutor(min(workers, count)) as pool:
        try:
            while todo or pending:
                while todo and len(pending) < 2 * workers:
                    index, item = todo.popleft()
                    pending[pool.submit(copy_context().run, call, item)] = index
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    results[pending.pop(future)] = future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [results[index] for index in range(count)]


def _sent_secrets(request: httpx.Request) -> list[str]:
    """Return the tokens that a request carries, which a server may echo."""
    words = request.headers.get("authorization", "").split()[1:]
    texts = [*words, *(value for name, value in request.url.params.multi_items() if is_secret(name))]
    return [text for text in texts if len(text) > len("public")]


def _backoff(attempt: int) -> float:
    """Return the delay before attempt `attempt` + 2: exponential, with jitter over its upper half."""
    return float(min(FIRST_DELAY_S * 2**attempt, LONGEST_DELAY_S) * random.uniform(0.5, 1))


def _retry_after(response: httpx.Response, default: float) -> float:
    """Return the seconds of Retry-After (RFC 9110, section 10.2.3), or `default` without one."""
    text = response.headers.get("retry-after", "")
    try:
        seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return default
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
