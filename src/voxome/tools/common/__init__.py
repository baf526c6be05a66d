"""Tools for volumes of any modality."""
