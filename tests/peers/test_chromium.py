"""The report of a run in a real browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from peers.chromium import Visit

pytestmark = pytest.mark.slow


def test_an_error_of_a_page_is_seen(visit: Visit, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<title>Broken</title><script>undefinedFunction()</script><img src='missing.png'>")
    visit.page.goto(page.as_uri())
    assert visit.page.title() == "Broken"
    assert any("undefinedFunction" in error for error in visit.errors)
    assert any("missing.png" in error for error in visit.errors)
