"""What a run leaves on record: events, and the ledger of finished jobs."""
