"""What a relay keeps besides voxels: records of accounts, and those of its dialects."""
