"""Stores of volumes: one file or folder each, found by the scheme of a URI through the registry."""
