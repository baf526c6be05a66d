"""Small trained networks, their cards, and how they are applied and trained."""
