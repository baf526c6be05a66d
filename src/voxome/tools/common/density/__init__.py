"""Densities of cells and vessels on a grid in micrometres."""
