"""Neuroglancer in Chromium: the client and server of its wheel."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import neuroglancer
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from peers.chromium import Visit

Show = Callable[[Visit, dict[str, Any]], NDArray[np.uint8]]
"""Opens a state of the viewer in a page, waits until all is fetched, and returns the picture (height, width, 3)."""

_QUIET_MS = 700
"""How long nothing must be requested before a picture is final."""
_WAIT_MS = 60_000


@contextmanager
def viewing() -> Iterator[Show]:
    """Run the server of the viewer; yields a function that shows a state in a page."""
    neuroglancer.set_server_bind_address("127.0.0.1")
    try:
        yield _show
    finally:
        neuroglancer.stop()


def _show(visit: Visit, state: dict[str, Any]) -> NDArray[np.uint8]:
    page, viewer = visit.page, neuroglancer.Viewer()
    viewer.set_state(neuroglancer.ViewerState(state))
    page.goto(viewer.get_viewer_url())
    page.wait_for_function("() => window.viewer !== undefined && viewer.state.toJSON().layers", timeout=_WAIT_MS)
    count = -1
    while count != len(visit.requests):
        count = len(visit.requests)
        page.wait_for_timeout(_QUIET_MS)
        page.wait_for_function("() => viewer.isReady()", timeout=_WAIT_MS)
    return np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("RGB"))
