"""What a process was told from outside: settings, profiles, secrets."""
