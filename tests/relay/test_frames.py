from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from voxome.errors import InvalidInput
from voxome.relay.app import create_app
from voxome.relay.config_file import parse_config
from voxome.relay.serve import in_thread


class Pages:
    def routes(self) -> list[Route]:
        async def page(request: object) -> Response:
            return HTMLResponse("page", headers={"Content-Security-Policy": "sandbox"})

        async def text(request: object) -> Response:
            return PlainTextResponse("text")

        return [Route("/page", page), Route("/text", text)]

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("ancestors", "policy"),
    [([], "frame-ancestors 'self'"), (["https://lab.example"], "frame-ancestors 'self' https://lab.example")],
)
def test_pages_are_shown_in_frames_of_named_pages_only(ancestors: Sequence[str], policy: str) -> None:
    with in_thread(create_app([Pages()], frame_ancestors=ancestors)) as url:
        assert httpx.get(f"{url}/page").headers.get_list("content-security-policy") == ["sandbox", policy]
        assert "content-security-policy" not in httpx.get(f"{url}/text").headers


def test_where_every_page_may_show_them_there_is_no_policy() -> None:
    with in_thread(create_app([Pages()], frame_ancestors=["*"])) as url:
        assert httpx.get(f"{url}/page").headers.get_list("content-security-policy") == ["sandbox"]


@pytest.mark.parametrize("key", ["allow_origins", "frame_ancestors"])
@pytest.mark.parametrize("origin", ["https://lab.example/", "lab.example", "https://a b", "https://a;script-src *", ""])
def test_what_is_no_origin_is_refused_with_its_key(key: str, origin: str) -> None:
    with pytest.raises(InvalidInput, match=rf"^r.toml: {key}.0: expected the origin of a web page, as https://HOST"):
        parse_config({key: [origin]}, "r.toml")
    for fine in ("*", "https://lab.example", "http://localhost:8888", "https://*.lab.example"):
        assert parse_config({key: [fine]}, "r.toml").model_dump()[key] == (fine,)
