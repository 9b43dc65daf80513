"""Compare the runtime with Keras: what ``gru2np verify`` does."""
