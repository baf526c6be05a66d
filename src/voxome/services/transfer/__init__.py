"""Copy volumes between stores, block by block."""
