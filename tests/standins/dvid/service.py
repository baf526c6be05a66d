"""State of the server, and routing of requests."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace

from starlette.responses import Response

from standins.dvid import node_api, repo_api, server_api
from standins.dvid.calls import Call, Refusal, ServerEnded, not_found
from standins.dvid.repos import Repos


class Service:
    """State of the server, and its handler of requests.

    Parameters
    ----------
    admin_token : str, optional
        Value that ``?admintoken=`` must have; if None, nobody is an administrator.
    note : str
        Text of ``/api/server/note``.
    throttled : int
        Maximum number of concurrent requests with ``throttle=true``.
    """

    def __init__(self, admin_token: str | None = None, note: str = "recording", throttled: int = 1) -> None:
        self.repos = Repos()
        self.note = note
        self.max_throttled = throttled
        self._admin_token = admin_token
        self._running = 0
        self._ended = ""
        self._gate = threading.Lock()
        self._lock = threading.RLock()

    def handle(self, call: Call) -> Response:
        """Handle one request; requests are serialized.

        After a request at which the real server's process ends, all are refused.
        """
        try:
            if self._ended:
                raise Refusal(f"the process of the server ended: {self._ended}", 500, bare=True)
            with self.slot() if call.flag("throttle", "on") else nullcontext(), self._lock:
                return self._dispatch(replace(call, is_admin=self._is_admin(call)))
        except Refusal as refusal:
            return refusal.response(call.path)
        except ServerEnded as end:
            self._ended = str(end)
            return Refusal(f"the process of the server ends: {end}", 500, bare=True).response(call.path)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Take one of the slots for throttled requests, or raise 503."""
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
                return repo_api.handle(self.repos, repo, node, replace(call, parts=tuple(rest)))
            case ("node", uuid, keyword):
                repo, node = self.repos.find(uuid)
                return node_api.handle(self.repos, repo, node, call, keyword)
            case ("node", uuid, name, *rest):
                repo, node = self.repos.find(uuid)
                return repo.instance(name).handle(node, replace(call, parts=tuple(rest)))
            case ("node" | "repo", *_):
                raise not_found()
        return server_api.handle(self, call)

    def _is_admin(self, call: Call) -> bool:
        token = call.query.get("admintoken", "")
        known = self._admin_token
        return known is not None and secrets.compare_digest(token.encode(), known.encode())
