"""Proofs in bundles: recorded outputs of Keras, replayed on this machine."""
