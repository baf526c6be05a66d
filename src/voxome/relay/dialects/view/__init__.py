"""Neuroglancer as a page of the relay."""
