"""The runtime's graph of a Keras model: nested models flattened, masks resolved."""
