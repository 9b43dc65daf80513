"""Whether a message says what to do next."""

import re

# A command, an option, a keyword, a Python expression.
NAMED = re.compile(
    r"gru2np \w+|(?<!\w)--?[a-z][\w-]*|\b\w+=|[\w.]+\(|\bx\[|\b(model|x)\.\w+|"
    r"did you mean '"
)
# What is done with a file, where no command of ours does it.
DONE = re.compile(
    r"[;:.] (save|fetch|load|repack|rebuild|unpack|give|make|open|build|call|pass|use|"
    r"download|git lfs pull|convert|merge|copy)\b|(fetch|save) it again"
)


def named(text):
    """Whether a message names the next command, option, keyword or expression."""
    return NAMED.search(text) is not None


def said(text):
    """Whether it does, or says in words what to do with the file."""
    return named(text) or DONE.search(text) is not None
