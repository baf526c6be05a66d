"""The types of data instances, one a file."""
