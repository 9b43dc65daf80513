"""The bundle: an ``.npz`` with fixed rules, and the manifest in it."""
