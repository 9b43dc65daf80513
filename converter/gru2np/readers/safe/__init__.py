"""Everything that touches bytes from a file: each is checked before it is used."""
