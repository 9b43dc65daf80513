"""The HTML pages of ``inspect --report`` and ``verify --report``.

A page is one file without external scripts, fonts or pictures.  Every text of a model
file goes through ``markup``, which escapes it.
"""
