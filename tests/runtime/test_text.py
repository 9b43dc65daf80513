"""Names and tables, as people read them."""

import pytest

from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.text import OPEN, html_table, shown_path, shown_paths

NAMES = ("gru", "two words", "größe_модель", "100%", "a#1", 'it\'s "dense"', "a/b")


@pytest.mark.parametrize("name", NAMES)
def test_a_path_shows_the_names_of_keras(name):
    path = f"{encode_name('мodel')}/{encode_name(name)}"
    assert shown_path(path) == f"мodel/{name}"


@pytest.mark.parametrize("path", ["a%0Ab", "%1B[2J", "a%C3", "a%zz", "%", "a%2"])
def test_what_a_terminal_does_not_print_stays_encoded(path):
    assert shown_path(f"{path}/gru") == f"{path}/gru"


def test_no_two_layers_are_shown_by_one_name():
    paths = ["a%2Fb", "a/b", "gr%C3%B6sse"]
    assert shown_paths(paths) == {path: path for path in paths}
    assert shown_paths(paths[::2]) == {"a%2Fb": "a/b", "gr%C3%B6sse": "grösse"}


def test_a_table_for_a_notebook_is_escaped_and_has_no_colours():
    shown = html_table("<b>&", ("layer", "size"), [("<script>", '"')], right={1})
    assert shown.startswith("<details open><summary>&lt;b&gt;&amp;</summary><table>")
    assert "&lt;script&gt;" in shown
    assert "<script" not in shown
    assert '<td style="text-align: right">&quot;</td>' in shown
    assert "color" not in shown
    assert "open" not in html_table("", ("layer",), [("gru",)] * (OPEN + 1))
