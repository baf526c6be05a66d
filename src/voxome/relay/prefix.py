"""A path before all addresses of a relay, which a proxy in front of it keeps."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send


class KeptPrefix:
    """Layer that takes a prefix off the paths that begin with it; a proxy that takes it off itself is served too.

    Parameters
    ----------
    app : ASGI application
        Gets paths without the prefix.
    prefix : str
        Such as ``/user/ann/proxy/8001``, without a slash at the end.
    """

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(f"{self._prefix}/"):
            raw = scope.get("raw_path")
            scope = {**scope, "path": path.removeprefix(self._prefix)}
            if raw is not None:
                scope["raw_path"] = raw.removeprefix(self._prefix.encode())
        await self._app(scope, receive, send)
