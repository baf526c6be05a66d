"""Reports on runs, and scores against ground truth."""
