"""The report of a run, in a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from peers.chromium import Visit

pytestmark = pytest.mark.slow


def test_the_report_of_a_run_opens_without_errors_or_requests(reference: Path, visit: Visit) -> None:
    page = (reference / "report.html").as_uri()
    visit.page.goto(page)
    assert "connectome" in visit.page.title()
    assert visit.page.locator("img").count() >= 9
    drawn = "images => images.every(image => image.complete && image.naturalWidth > 0)"
    assert visit.page.locator("img").evaluate_all(drawn)
    assert [request for request in visit.requests if not request.startswith("data:")] == [page]
    assert visit.errors == []
