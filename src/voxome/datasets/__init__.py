"""Data that voxome makes, or brings in, for tests and trials."""
