from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voxome.errors import InvalidInput, NotFound
from voxome.viewer import state_text
from voxome.viewer.state_text import build_link, parse_state, read_state, relay_state

STATE = {"layers": [{"name": "a_b, 'c' \"d\"", "source": "precomputed://gs://x/y_z"}], "showAxisLines": False}
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), VALUES))
def test_every_state_comes_back_from_its_link(state: dict[str, Any]) -> None:
    assert read_state(build_link(state, "https://host")) == state


@pytest.mark.slow
@given(st.dictionaries(st.text(), VALUES))
def test_every_state_comes_back_from_the_form_of_older_links(state: dict[str, Any]) -> None:
    assert parse_state(_older(json.dumps(state))) == state


def test_a_stored_state_is_read(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps(STATE))
    assert read_state(f"{tmp_path}/state.json") == STATE
    assert read_state(f"https://host/#!file://{tmp_path}/state.json") == STATE
    assert read_state(f"https://host/?json_url=file://{tmp_path}/state.json") == STATE


@pytest.mark.parametrize(
    ("link", "state"),
    [
        ("https://h/view", "https://h/view/state?base=https%3A%2F%2Fh%2F"),
        ("http://h:1/a/proxy/2/view/?layer=x/y&layer=z", "http://h:1/a/proxy/2/view/state?base=http%3A%2F%2Fh%3A1%2Fa%2Fproxy%2F2%2F&layer=x%2Fy&layer=z"),
        ("https://h/view/v/relay/?s=1f", "https://h/view/states/1f?base=https%3A%2F%2Fh%2F"),
        ("https://h/p/view/v/relay", "https://h/p/view/state?base=https%3A%2F%2Fh%2Fp%2F"),
        ("https://h/view.json", None), ("https://h/a/preview", None), ("/data/view", None), ("s3://b/view", None),
    ],
)  # fmt: skip
def test_pages_of_a_relay_have_their_states(link: str, state: str | None) -> None:
    assert relay_state(link) == state


@pytest.mark.parametrize("viewer", ["https://h/", "https://h/view", "https://h/a/view/"])
def test_the_address_of_a_state_counts_wherever_the_viewer_is(tmp_path: Path, viewer: str) -> None:
    (tmp_path / "state.json").write_text('{"layers": []}')
    assert read_state(f"{viewer}?json_url={tmp_path}/state.json") == {"layers": []}


@pytest.mark.parametrize("link", ["https://host/", "https://host/#!{", "em.zarr", "{'a':", "[1]"])
def test_other_texts_are_refused(link: str) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        read_state("file://nowhere" if link == "https://host/" else link)


class _States(BaseHTTPRequestHandler):
    """Sends a state, its first bytes without an end, or to another server."""

    def do_GET(self) -> None:
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", f"http://localhost:{self.server.server_port}/seen")  # type: ignore[attr-defined]
            self.end_headers()
            return
        self.send_response(200)
        self.end_headers()
        if self.path == "/seen":
            self.wfile.write(json.dumps(dict(self.headers)).encode())
        with suppress(OSError):
            while self.path == "/endless":
                self.wfile.write(b" " * 2**16)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def states() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _States) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://me:zq7-never@127.0.0.1:{server.server_port}"
        server.shutdown()


def test_the_state_of_a_server_has_a_limit_of_size(states: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state_text, "_LARGEST_BYTES", 1 << 20)
    with pytest.raises(InvalidInput, match="has more than 1,048,576 bytes") as caught:
        read_state(f"{states}/endless")
    assert "zq7" not in str(caught.value)


def test_a_password_is_not_sent_to_another_server(states: str) -> None:
    assert "Authorization" not in read_state(f"{states}/moved")
    assert "Authorization" in read_state(f"{states}/seen")


def _older(text: str) -> str:
    """Return JSON with ``'`` for ``"`` and ``_`` for commas outside of texts."""
    out, inside, escaped = [], False, False
    for one in text:
        if inside and not escaped and one == "\\":
            escaped = True
            continue
        if escaped:
            out.append(one if one == '"' else f"\\{one}")
        elif one == '"':
            inside = not inside
            out.append("'")
        elif inside:
            out.append("\\'" if one == "'" else one)
        else:
            out.append("_" if one == "," else one)
        escaped = False
    return "".join(out)
