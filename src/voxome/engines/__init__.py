"""Who schedules jobs: one file an engine."""
