"""Upgrade: an old model as a file of the newest Keras, or the reasons why not.

``draft`` holds the model on its way, ``rewriting`` and ``masking`` say in other words
what Keras 3 means otherwise, ``comparing`` finds what is left, and ``writing`` writes.
"""
