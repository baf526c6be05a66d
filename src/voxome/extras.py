"""Extras: optional packages that only some commands and stores need."""

from __future__ import annotations

from importlib.util import find_spec

from voxome.errors import MissingExtra


def require(extra: str, *packages: str) -> None:
    """Check that optional packages are installed, without importing them.

    Parameters
    ----------
    extra : str
        The extra of voxome that installs them.
    *packages : str
        Names as in ``import``.

    Raises
    ------
    MissingExtra
        If one is missing; the message has the command that installs the extra.
    """
    missing = [package for package in packages if not _is_installed(package)]
    if len(missing) == 1:
        what, them = f"package {missing[0]} is", "it"
    else:
        what, them = f"packages {', '.join(missing)} are", "them"
    if missing:
        raise MissingExtra(f"The {what} not installed; install {them} with: pip install 'voxome[{extra}]'")


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # no parent package
        return False
