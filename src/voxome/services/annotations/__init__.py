"""Annotations: from any source to any store, and their edits."""
