"""Handling of Ctrl-C: it is never lost and ends in one sentence."""

from __future__ import annotations

import os
import signal
import sys
import threading

STATUS = 130
"""Exit status after an interruption."""
_DELAY_S = 0.05


def reraise_interrupt(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt again after a Ctrl-C inside a callback or destructor, where exceptions are swallowed.

    To be set as ``sys.unraisablehook``; other exceptions go to Python's own hook.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        timer = threading.Timer(_DELAY_S, os.kill, [os.getpid(), signal.SIGINT])
        timer.daemon = True
        timer.start()
    else:
        sys.__unraisablehook__(unraisable)


def message(error: BaseException | None) -> str:
    """Return the message for the interruption that led to `error`."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return "; ".join(["Interrupted", *getattr(error, "__notes__", ())])
