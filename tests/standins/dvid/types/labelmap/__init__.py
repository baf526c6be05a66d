"""Labels with an index: supervoxels in blocks, bodies made of them by a mapping."""
