"""The runtime compared with Keras: what ``gru2np verify`` does."""
