"""Ways to run layers: plainly, in NumPy on packed weights, or in compiled C."""
