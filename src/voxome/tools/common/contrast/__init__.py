"""Correction of uneven contrast and brightness by a grid of tiles."""
