"""Keras beside the runtime: what ``gru2np verify`` does."""
