"""What the stores behind an HTTP interface have in common: connections, retries, errors, requests side by side."""

from __future__ import annotations

import atexit
import json as jsonlib
import random
import threading
import time
import zlib
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any, TypeVar

import httpx

from voxome.config.redaction import HIDDEN, is_secret, quieten_libraries, redact
from voxome.contracts.uri import without_secrets
from voxome.errors import (
    AccessDenied,
    AlreadyExists,
    CorruptData,
    InvalidInput,
    NotFound,
    StoreError,
    VoxomeError,
)

T = TypeVar("T")
R = TypeVar("R")

TIMEOUT_S = 60.0
"""How long a server may be silent before a request counts as lost."""
RETRIES = 6
"""How often a request is sent again."""
FIRST_DELAY_S, LONGEST_DELAY_S = 0.1, 5.0
"""Waits between tries: doubled from the first on, with jitter, up to the longest."""
LONGEST_WAIT_S = 60.0
"""The longest Retry-After of a server that is waited for."""
CONNECTIONS = 32
"""Open connections to one service."""

_BUSY = frozenset({429, 503})
_FAILED = frozenset({500, 502, 504})
_READING = frozenset({"GET", "HEAD"})
_SAFE = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_BY_STATUS: dict[int, type[VoxomeError]] = {
    400: InvalidInput,
    401: AccessDenied,
    403: AccessDenied,
    404: NotFound,
    409: AlreadyExists,
}
_SHOWN = 500
_ONE_AT_A_TIME = threading.Lock()

quieten_libraries()


def plain_text(answer: httpx.Response) -> str:
    """What a server says in a body of text, shortened, without the secrets that it may have been sent."""
    text = redact(" ".join(answer.text.split()), _sent_secrets(answer.request))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"


class Api:
    """One service: its address, headers, connections and retries. May be used from several threads.

    Parameters
    ----------
    base : str
        Address that all paths begin with, ``http://`` or ``https://``.
    headers : callable
        Headers of every request; asked each time, so that no object keeps a token.
    explain : callable
        The server's message in an answer that says no.
    timeout_s : float
        How long the server may be silent.
    retries : int
        How often a request is sent again that may be.
    """

    def __init__(
        self,
        base: str,
        *,
        headers: Callable[[], Mapping[str, str]] = dict,
        explain: Callable[[httpx.Response], str] = plain_text,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
    ) -> None:
        try:
            url = httpx.URL(base)
        except httpx.InvalidURL:
            url = httpx.URL()
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(f"{without_secrets(base)!r} is no address; write http://HOST[:PORT] or https://HOST")
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
        again: bool | None = None,
        errors: Mapping[int, type[VoxomeError]] | None = None,
    ) -> httpx.Response:
        """Send one request, again where that is safe, and give an answer whose status is among `ok`.

        Parameters
        ----------
        method, path : str
            As ``"GET", "/v1/coord/"``; the path is quoted already.
        params : mapping, optional
            The query.
        json, content : optional
            The body.
        headers : mapping, optional
            Beside those of every request.
        ok : collection of int
            Statuses that are no error.
        again : bool, optional
            Whether sending it twice does no harm; if None, so it is for GET, HEAD, PUT and DELETE. One that was turned
            away by 429 or 503 is always sent again.
        errors : mapping, optional
            Which error a status is, where that is not the usual one.

        Raises
        ------
        AccessDenied, NotFound, AlreadyExists, InvalidInput, StoreError
            Naming the URL, the status and the server's message; its ``status`` is the number, None if there was no
            answer.
        """
        safe = method.upper() in _SAFE if again is None else again
        problem: VoxomeError
        for attempt in range(self._retries + 1):
            try:
                answer = _client(self._timeout_s).request(
                    method,
                    self.base + path,
                    params=params,
                    json=json,
                    content=content,
                    headers={**self._headers(), **(headers or {})},
                    follow_redirects=method.upper() in _READING,
                )
            except httpx.TooManyRedirects as error:
                raise self._lost(method, path, error) from None
            except (httpx.TransportError, httpx.DecodingError) as error:
                problem = self._lost(method, path, error)
                if not safe and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout):
                    raise problem from None
                delay = _backoff(attempt)
            else:
                if answer.status_code in ok:
                    return answer
                problem = self._refused(method, answer, errors or {})
                if answer.status_code not in _BUSY and not (safe and answer.status_code in _FAILED):
                    raise problem
                delay = _retry_after(answer, _backoff(attempt))
            if attempt < self._retries:
                time.sleep(delay)
        raise _with_status(type(problem)(f"{problem} (after {self._retries + 1} tries)"), problem.status)

    def json(self, method: str, path: str, **options: Any) -> Any:
        """The JSON body of an answer; `options` are those of `send`.

        Raises
        ------
        CorruptData
            If it is no JSON.
        """
        answer = self.send(method, path, **options)
        try:
            return jsonlib.loads(answer.content)
        except ValueError as error:
            raise CorruptData(f"{method} {shown(answer.url)} answered no JSON: {plain_text(answer)}") from error

    def _lost(self, method: str, path: str, error: Exception) -> VoxomeError:
        what = redact(str(error)) or type(error).__name__
        if isinstance(error, httpx.TimeoutException):
            what = f"no answer within {self._timeout_s:g} s"
        return StoreError(f"{method} {self.base}{path}: {what}")

    def _refused(self, method: str, answer: httpx.Response, errors: Mapping[int, type[VoxomeError]]) -> VoxomeError:
        status = answer.status_code
        kind = errors.get(status) or _BY_STATUS.get(status, StoreError)
        said = redact(self._explain(answer), _sent_secrets(answer.request)) or "no message"
        return _with_status(kind(f"{method} {shown(answer.url)} answered {status}: {said}"), status)


def _with_status(error: VoxomeError, status: int | None) -> VoxomeError:
    error.status = status
    return error


def shown(url: httpx.URL) -> str:
    """A URL without user, password and tokens, for messages."""
    names = "&".join(f"{name}={HIDDEN if is_secret(name) else value}" for name, value in url.params.multi_items())
    bare = str(url.copy_with(userinfo=b"", query=None))
    return f"{bare}?{names}" if names else bare


def fan_out(call: Callable[[T], R], items: Iterable[T], *, workers: int) -> list[R]:
    """``[call(item) for item in items]`` in threads; the first error stops the rest and is raised.

    No more than twice `workers` items wait at a time.
    """
    todo = deque(enumerate(items))
    if len(todo) <= 1 or workers == 1:
        return [call(item) for _, item in todo]
    results: dict[int, R] = {}
    places: dict[Future[R], int] = {}
    count = len(todo)
    with ThreadPoolExecutor(min(workers, count)) as pool:
        try:
            while todo or places:
                while todo and len(places) < 2 * workers:
                    place, item = todo.popleft()
                    places[pool.submit(call, item)] = place
                done, _ = wait(places, return_when=FIRST_COMPLETED)
                for future in done:
                    results[places.pop(future)] = future.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return [results[place] for place in range(count)]


class _Whole(httpx.SyncByteStream):
    """A body that is packed with gzip, and an error where it ends before the packed data do."""

    def __init__(self, stream: httpx.SyncByteStream) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        unpacker, seen = zlib.decompressobj(zlib.MAX_WBITS | 16), False
        for chunk in self._stream:
            try:
                seen = bool(chunk) or seen
                unpacker.decompress(chunk)
            except zlib.error as error:
                raise httpx.DecodingError(f"the body is not gzip: {error}") from None
            yield chunk
        if seen and not unpacker.eof:
            raise httpx.DecodingError("the body, packed with gzip, ends early")

    def close(self) -> None:
        self._stream.close()


def _check_whole(answer: httpx.Response) -> None:
    """Notice a body that is cut short though its length is told right: httpx unpacks what there is."""
    if answer.headers.get("content-encoding", "").lower() in {"gzip", "x-gzip"}:
        assert isinstance(answer.stream, httpx.SyncByteStream)
        answer.stream = _Whole(answer.stream)


def _sent_secrets(request: httpx.Request) -> list[str]:
    """The tokens that a request carries: a server may say them back."""
    words = request.headers.get("authorization", "").split()[1:]
    texts = [*words, *(value for name, value in request.url.params.multi_items() if is_secret(name))]
    return [text for text in texts if len(text) > len("public")]


def _client(timeout_s: float) -> httpx.Client:
    with _ONE_AT_A_TIME:
        return _pool(timeout_s)


@cache
def _pool(timeout_s: float) -> httpx.Client:
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    packed = {"Accept-Encoding": "gzip"}
    client = httpx.Client(timeout=timeout_s, limits=limits, headers=packed, event_hooks={"response": [_check_whole]})
    atexit.register(client.close)
    return client


def _backoff(attempt: int) -> float:
    """The wait before try `attempt` + 2: exponential, with full jitter over its upper half."""
    return float(min(FIRST_DELAY_S * 2**attempt, LONGEST_DELAY_S) * random.uniform(0.5, 1))


def _retry_after(answer: httpx.Response, otherwise: float) -> float:
    """Seconds that the server asks to wait (RFC 9110, section 10.2.3), if it does."""
    text = answer.headers.get("retry-after", "")
    try:
        seconds = float(text) if text.isdigit() else parsedate_to_datetime(text).timestamp() - time.time()
    except (ValueError, TypeError):
        return otherwise
    return min(max(seconds, 0.0), LONGEST_WAIT_S)
