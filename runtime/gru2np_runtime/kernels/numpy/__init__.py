"""Fast plans in NumPy: few calls per time step on packed weights.

``packed.py``: what the cells share, buffers and gates whose linear part is folded into
the weights.  ``gru.py``, ``lstm.py`` and ``simple_rnn.py``: the equations of a cell, a
loop for sequences of one row or many, and a single step.  ``recurrence.py``: a layer
over whole sequences.  ``chain.py``: one time step of a chain of layers.
"""
