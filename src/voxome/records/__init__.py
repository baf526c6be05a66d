"""Records of a run: events, and the ledger of finished jobs."""
