"""Ctrl-C: never lost, and told in a sentence."""

from __future__ import annotations

import os
import signal
import sys
import threading

STATUS = 130
"""The exit status of what was interrupted."""
_AGAIN_S = 0.05


def heed(lost: sys.UnraisableHookArgs) -> None:
    """Interrupt again where it came inside a callback or a destructor, out of which no exception gets.

    Other exceptions that are lost so are told as Python tells them. To be set as ``sys.unraisablehook``.
    """
    if issubclass(lost.exc_type, KeyboardInterrupt):
        again = threading.Timer(_AGAIN_S, os.kill, [os.getpid(), signal.SIGINT])
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def sentence(error: BaseException | None) -> str:
    """What is told of the interruption that led to `error`."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return "; ".join(["Interrupted", *getattr(error, "__notes__", ())])
