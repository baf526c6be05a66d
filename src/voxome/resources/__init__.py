"""What a user holds: volumes and tables, whatever store they are in."""
