"""Send many hostile requests to a relay: ``python -m relay.fuzz.run --requests 100000``."""

from __future__ import annotations

import argparse
import logging
import random
import re
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from relay.fuzz.generator import Attempt, attempt
from relay.fuzz.hostile import VERSION
from relay.fuzz.target import SECRET, Target, running

SLOWEST_S = 20.0
_READERS = ("member", "admin", "signed")
_LOGGERS = ("voxome", "uvicorn.error", "asyncio")
_PRIVATE = re.compile(
    r"/(raw|precomputed|zarr3?|s3/\w+|v1/\w+)/(lab/exp/)?private(/|$)|/api/(?!sources).*[?&]source=(lab/exp/)?private(&|$)"
)
"""Targets that are in a private source."""
_JUNK = ("Token", "Bearer  ", "Basic eDp4", "AWS4-HMAC-SHA256 x", "\xff")


@dataclass
class Findings:
    """What requests have found.

    Attributes
    ----------
    statuses : Counter
        Answers by status.
    faults : list of str
        What no request may cause: internal errors, access, broken answers.
    """

    statuses: Counter[int | str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


class _Errors(logging.Handler):
    """Keeps errors of the server."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.texts.append(f"{record.getMessage()}: {error!r}")


class _Sender:
    """One connection, opened again when it has been closed."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection: socket.socket | None = None

    def send(self, one: Attempt) -> tuple[int, bytes]:
        """Return status and body of the answer."""
        content = _encode(one, self._target)
        for trial in range(2):
            is_new = self._connection is None
            if self._connection is None:
                parts = urlsplit(self._target.url)
                self._connection = socket.create_connection((parts.hostname, parts.port), timeout=SLOWEST_S)
            try:
                return _exchange(one, content, self._connection, self.close)
            except (OSError, HTTPException):
                self.close()
                if is_new or trial:
                    raise
        raise AssertionError

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _exchange(one: Attempt, content: bytes, connection: socket.socket, close: Callable[[], None]) -> tuple[int, bytes]:
    with suppress(BrokenPipeError, ConnectionResetError):  # the answer may be there
        connection.sendall(content)
    answer = HTTPResponse(connection, method=one.method)
    answer.begin()
    body = answer.read()
    if answer.will_close or one.method == "HEAD" or answer.status >= 400:
        close()
    return answer.status, body


def fuzz(target: Target, seed: int, count: int) -> Findings:
    """Send `count` requests."""
    rng, findings, sender, errors = random.Random(seed), Findings(), _Sender(target), _Errors()
    for name in _LOGGERS:
        logging.getLogger(name).addHandler(errors)
    try:
        for number in range(count):
            one = attempt(rng)
            errors.texts.clear()
            start = time.monotonic()
            try:
                status, body = sender.send(one)
            except (OSError, HTTPException) as error:
                findings.statuses[type(error).__name__] += 1
                findings.faults.append(f"{seed}/{number}: {error!r}: {one.describe()}")
                continue
            findings.statuses[status] += 1
            problem = _problem(one, status, body, errors.texts)
            if time.monotonic() - start > SLOWEST_S / 2:
                problem = problem or "slow"
            if problem:
                findings.faults.append(f"{seed}/{number}: {problem}: {status} {one.describe()}")
    finally:
        sender.close()
        for name in _LOGGERS:
            logging.getLogger(name).removeHandler(errors)
    if not target.is_intact():
        findings.faults.append(f"{seed}: voxels that nobody may write have changed")
    return findings


def _problem(one: Attempt, status: int, body: bytes, errors: list[str]) -> str:
    if status == 500 or (errors and status != 503):
        return f"internal error ({'; '.join(errors)[:500]})"
    if b"root:x:0:0" in body:
        return "a file of the machine"
    is_inside = 200 <= status < 300 and one.method != "OPTIONS" and _PRIVATE.match(one.target) is not None
    if one.caller not in _READERS and (SECRET in body or is_inside):
        return "voxels of a private source"
    return ""


def _encode(one: Attempt, target: Target) -> bytes:
    headers = [(name, value) for name, value in one.headers]
    if "host" not in {name.lower() for name, _ in headers}:
        headers.insert(0, ("Host", "127.0.0.1"))
    one = replace(
        one,
        target=one.target.replace(VERSION, target.version),
        body=one.body.replace(VERSION.encode(), target.version.encode()),
    )
    token = target.tokens.get(one.caller)
    if one.caller == "signed":
        request = AWSRequest(
            one.method, f"http://127.0.0.1{one.target}".encode("ascii", "replace").decode(), data=one.body
        )
        with suppress(Exception):  # some paths cannot be signed
            S3SigV4Auth(Credentials(*target.key), "s3", "us-east-1").add_auth(request)
            headers += [(name, str(value)) for name, value in request.headers.items()]
    elif one.caller == "junk":
        headers.append(
            ("Authorization", ("Token", "Bearer  ", "Basic eDp4", "AWS4-HMAC-SHA256 x", "\xff")[len(one.target) % 5])
        )
    elif token is not None:
        headers.append(("Authorization", f"Bearer {token}"))
    body = one.body
    if one.is_chunked:
        headers.append(("Transfer-Encoding", "chunked"))
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body) if body else b"0\r\n\r\n"
    elif body:
        headers.append(("Content-Length", str(len(body))))
    target_bytes = one.target.encode("utf-8").replace(b" ", b"%20")
    lines = [f"{one.method} ".encode() + target_bytes + b" HTTP/1.1"]
    lines += [name.encode() + b": " + value.encode("latin-1", "replace") for name, value in headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def main() -> None:
    """Fuzz in pieces, and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--piece", type=int, default=5000)
    options = parser.parse_args()
    statuses: Counter[int | str] = Counter()
    faults: list[str] = []
    for seed in range(options.seed, options.seed + -(-options.requests // options.piece)):
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as target:
            found = fuzz(target, seed, options.piece)
        statuses += found.statuses
        faults += found.faults
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(
            f"seed {seed}: {len(found.faults)} faults, {time.monotonic() - start:.0f} s, at most {memory} MiB",
            flush=True,
        )
        print("\n".join(found.faults[:20]), flush=True)
    print(dict(sorted(statuses.items(), key=str)))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
