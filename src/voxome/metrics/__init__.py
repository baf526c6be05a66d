"""How good a result is against a truth: plain functions of arrays."""
