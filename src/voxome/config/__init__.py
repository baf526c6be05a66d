"""Settings, and profiles of stores."""
