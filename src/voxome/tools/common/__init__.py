"""Tools of every kind of volume."""
