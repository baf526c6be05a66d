"""Names of a tool's inputs and parameters outside Python: CWL ports and command-line options.

A port has the name of the function's argument, unless voxome itself has an option of that name, such as ``--block``:
the parameter ``block`` is the port ``tool_block`` and the option ``--tool-block``. The rule is one to one: a parameter
``tool_block`` is the port ``tool_tool_block``.
"""

from __future__ import annotations

HOST_OPTIONS = {"store": "--out", "block": "--block", "workers": "--workers"}
"""Inputs that every tool has in CWL, and that the runner sets → their command-line options."""
HOST_PORTS = frozenset(HOST_OPTIONS)
_RESERVED = HOST_PORTS | {
    *("out", "into", "box", "level", "voxel_size", "force", "engine", "records", "check_invariance", "json"),
    *("overwrite", "fresh", "verbose", "log_level", "help"),
}
_PREFIX = "tool_"


def port_of(name: str) -> str:
    """Return the port of an input or parameter.

    Examples
    --------
    >>> port_of("threshold"), port_of("block"), port_of("tool_block")
    ('threshold', 'tool_block', 'tool_tool_block')
    """
    plain = name
    while plain.startswith(_PREFIX):
        plain = plain.removeprefix(_PREFIX)
    return f"{_PREFIX}{name}" if plain in _RESERVED else name


def option_of(port: str) -> str:
    """Return the command-line option of a port.

    Examples
    --------
    >>> option_of("min_voxels")
    '--min-voxels'
    """
    return "--" + port.replace("_", "-")
