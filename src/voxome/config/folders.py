"""Folders of this user."""

from __future__ import annotations

from pathlib import Path

import platformdirs

from voxome.config.settings import settings


def state_folder(folder: str | Path | None = None) -> Path:
    """Return the folder for progress that is kept on this machine: `folder`, the setting `state`, or one in the cache.

    Parameters
    ----------
    folder : path, optional
        What the user chose for one call.
    """
    default = settings().state or Path(platformdirs.user_cache_dir("voxome")) / "transfers"
    return Path(folder or default).expanduser().absolute()
