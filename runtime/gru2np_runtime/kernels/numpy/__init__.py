"""Fast plans in NumPy: recurrent layers as few calls a time step on packed weights.

``packed.py`` has what the cells share: buffers, and factors of gates that are folded
into the weights.  ``gru.py``, ``lstm.py`` and ``simple_rnn.py`` hold a cell each: its
equations, a loop that serves a single sequence and a batch alike, and a single step.
``recurrence.py`` runs long and large inputs in chunks, ``chain.py`` takes a chain of
layers one time step further.
"""
