"""Which stored array is which weight."""
