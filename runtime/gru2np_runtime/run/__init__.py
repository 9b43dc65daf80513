"""How a graph runs: plans, batches, states, and one time step after the other."""
