"""How a graph runs: dispatch, fusing, batches, states and single time steps."""
