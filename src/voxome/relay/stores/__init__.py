"""Folders in which clients keep objects of their own, and create volumes."""
