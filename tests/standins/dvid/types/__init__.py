"""Types of data instances, one per file."""
