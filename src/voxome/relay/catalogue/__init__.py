"""What a relay knows beside voxels: projects, frames, metadata, groups, permissions, users."""
