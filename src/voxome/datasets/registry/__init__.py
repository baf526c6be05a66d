"""Public volumes by name: where they are, what they are, and where that was read."""
