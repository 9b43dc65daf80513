"""Fast plans in NumPy: recurrent layers as few calls a time step on packed weights.

``packed.py`` folds biases and factors of gates into the weights, ``gru.py``,
``lstm.py`` and ``simple_rnn.py`` hold one loop for each cell, which serves a single
sequence and a batch alike, ``recurrence.py`` runs them over long and large inputs in
chunks, and ``stepping.py`` takes a stack of layers one time step further, by the
calls in ``steps.py``.
"""
