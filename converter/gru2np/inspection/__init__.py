"""What ``gru2np inspect`` says of a file."""
