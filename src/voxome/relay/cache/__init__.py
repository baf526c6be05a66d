"""A cache of the chunks that sources send: in memory and on a disk, whole, and never older than a write."""
