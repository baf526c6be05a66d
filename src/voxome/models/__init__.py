"""Small neural networks: model cards, inference and training."""
