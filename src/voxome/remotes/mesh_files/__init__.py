"""Formats of mesh files, a module each; their vertices are x, y, z, and faces counter-clockwise seen from outside."""
