"""nginx serves a folder until it is stopped."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from peers import nginx
from peers.process import listens

pytestmark = pytest.mark.slow


def test_ranges_of_files_are_served_and_logged_until_it_is_stopped(tmp_path: Path) -> None:
    (tmp_path / "volume").write_bytes(bytes(range(100)))
    log = tmp_path / "access.log"
    with nginx.serving(tmp_path, log=log) as url:
        part = httpx.get(f"{url}/volume", headers={"Range": "bytes=10-13"})
        missing = httpx.get(f"{url}/elsewhere")
    assert (part.status_code, part.headers["Content-Range"], part.content) == (206, "bytes 10-13/100", b"\n\x0b\x0c\r")
    assert missing.status_code == 404
    assert log.read_text().splitlines() == ["GET /volume 206 bytes=10-13", "GET /elsewhere 404 -"]
    assert not listens(httpx.URL(url).port or 0)
