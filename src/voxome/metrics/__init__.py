"""Scores of results against ground truth, as plain functions of arrays."""
