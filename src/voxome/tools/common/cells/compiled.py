"""Decorators of compiled code; importing numba takes longer than the means of a small volume."""

from __future__ import annotations

import numba as nb

from voxome.tools.common.compilation import announce_compilation

announce_compilation()

jit = nb.njit(nogil=True, cache=True, boundscheck=False)
"""Compiles a function that Python calls."""
inner = nb.njit(nogil=True, cache=True, boundscheck=False, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""Compiles a function that only compiled code calls, in less time."""
