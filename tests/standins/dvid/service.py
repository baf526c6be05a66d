"""A server's state, and the way of a request to the part of the server that answers it."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from starlette.responses import Response

from standins.dvid import node_api, repo_api, server_api
from standins.dvid.calls import Call, Refusal, not_found
from standins.dvid.repos import Repos


class Service:
    """A server's state, and its answer to any request.

    Parameters
    ----------
    admin_token : str, optional
        What ``?admintoken=`` must be; without one nobody is an administrator.
    note : str
        What the server says of itself under ``/api/server/note``.
    throttled : int
        How many requests with ``throttle=true`` may run at a time.
    """

    def __init__(self, admin_token: str | None = None, note: str = "recording", throttled: int = 1) -> None:
        self.repos = Repos()
        self.note = note
        self.max_throttled = throttled
        self._admin_token = admin_token
        self._running = 0
        self._gate = threading.Lock()
        self._lock = threading.RLock()

    def answer(self, call: Call) -> Response:
        """Answer one request; requests change the state one after another."""
        try:
            with self.slot() if call.flag("throttle", "on") else nullcontext(), self._lock:
                return self._dispatch(replace(call, is_admin=self._is_admin(call)))
        except Refusal as refusal:
            return refusal.answer(call.path)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the places for throttled requests, or refuse with 503."""
        with self._gate:
            if self._running >= self.max_throttled:
                text = f"Server already running {self._running} throttled operations (max = {self.max_throttled})\n"
                raise Refusal(text, 503, bare=True)
            self._running += 1
        try:
            yield
        finally:
            with self._gate:
                self._running -= 1

    def _dispatch(self, call: Call) -> Response:
        match call.parts:
            case ("repo", uuid, *rest):
                repo, node = self.repos.find(uuid)
                return repo_api.answer(self.repos, repo, node, replace(call, parts=tuple(rest)))
            case ("node", uuid, keyword):
                repo, node = self.repos.find(uuid)
                return node_api.answer(self.repos, repo, node, call, keyword)
            case ("node", uuid, name, *rest):
                repo, node = self.repos.find(uuid)
                return repo.instance(name).handle(node, replace(call, parts=tuple(rest)))
            case ("node" | "repo", *_):
                raise not_found()
        return server_api.answer(self, call)

    def _is_admin(self, call: Call) -> bool:
        token = call.query.get("admintoken", "")
        known = self._admin_token
        return known is not None and secrets.compare_digest(token.encode(), known.encode())
