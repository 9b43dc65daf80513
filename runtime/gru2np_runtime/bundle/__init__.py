"""The bundle: its container, an ``.npz`` with fixed rules, and its manifest."""
