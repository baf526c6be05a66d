"""Objects that users work with: volumes, shapes and tables, in any store."""
