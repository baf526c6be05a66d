"""Records of accounts and dialects."""
