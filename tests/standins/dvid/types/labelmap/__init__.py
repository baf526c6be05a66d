"""Labels with an index: supervoxels in blocks, and their mapping to bodies."""
