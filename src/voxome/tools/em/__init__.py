"""Tools of electron microscopy."""
