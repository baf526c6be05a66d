"""Virtual layers: a tool over sources, computed a chunk at a time."""
