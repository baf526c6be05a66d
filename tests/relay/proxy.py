"""A proxy in front of a server, at a path, as those of notebooks and hubs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from threading import Thread

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from voxome.relay.config import TlsConfig
from voxome.relay.serve import address_of, create_server, listening

PREFIX = "/user/ann/proxy/8001"
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "host", "accept-encoding", "date", "server"})


@contextmanager
def proxy(upstream: str, *, keeps_prefix: bool = False, tls: TlsConfig | None = None) -> Iterator[str]:
    """Yield the address of a proxy, with its prefix; every other path is 404.

    Parameters
    ----------
    upstream : str
        Address of the server.
    keeps_prefix : bool
        Whether the server gets paths with the prefix.
    tls : TlsConfig, optional
        Certificate with which it is reached by https; the server gets plain HTTP.
    """
    client = httpx.AsyncClient(base_url=upstream, timeout=60, follow_redirects=False)

    @asynccontextmanager
    async def close_client(app: Starlette) -> AsyncIterator[None]:
        async with client:
            yield

    async def forward(request: Request) -> Response:
        path = request.url.path
        if not path.startswith(f"{PREFIX}/"):
            return PlainTextResponse("nothing of the server is here", 404)
        path = path if keeps_prefix else path.removeprefix(PREFIX)
        headers = {name: value for name, value in request.headers.items() if name not in _HOP}
        url = httpx.URL(path=path, query=request.url.query.encode())
        sent = client.build_request(request.method, url, headers=headers, content=await request.body())
        answer = await client.send(sent, stream=True)
        kept = {name: value for name, value in answer.headers.items() if name not in _HOP}
        return StreamingResponse(_body(request, answer), answer.status_code, kept)

    methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]
    app = Starlette(routes=[Route("/{path:path}", forward, methods=methods)], lifespan=close_client)
    server, listener = create_server(app, tls), listening("127.0.0.1", 0)
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield address_of(listener, "http" if tls is None else "https") + PREFIX
    finally:
        server.should_exit = True
        thread.join(100)
        listener.close()


async def _body(request: Request, answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in answer.aiter_raw():
            yield part
            if await request.is_disconnected():
                break
    finally:
        await answer.aclose()
