"""Training of models: tasks by name, their configuration, and what each makes of a volume's labels."""
