"""``voxome train``: train the membrane network."""

from __future__ import annotations


def train() -> None:
    """Train the membrane network."""
