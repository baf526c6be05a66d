"""N5: folders of blocks, x first, with attributes in several dialects."""
