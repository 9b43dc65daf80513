"""Bundles that prove themselves: Keras' own answers, replayed on this machine."""
