"""Data sets: synthetic phantoms and a registry of public volumes."""
