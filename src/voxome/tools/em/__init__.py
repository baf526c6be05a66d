"""Tools for electron microscopy."""
