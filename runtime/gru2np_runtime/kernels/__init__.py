"""Three kernels: the plain equations, NumPy on packed weights, compiled C."""
