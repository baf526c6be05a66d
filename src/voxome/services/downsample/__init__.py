"""Pyramids of stored volumes."""
