"""A page to look at: what ``inspect --report`` and ``verify --report`` write.

One HTML file with nothing from elsewhere: no script, no font, no picture.  Every text
of a model file goes through ``markup``, which escapes it.
"""
