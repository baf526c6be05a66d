"""zarr v2 and v3, sharded too, and OME-Zarr pyramids."""
