"""Text for people: tables, sizes, numbers."""

from gru2np.text import difference, quantity, shorten, size_text, table


def test_a_table_shortens_names_and_wraps_its_last_column():
    name = "a_very_long_name_of_a_nested_model/of_another/lstm_forward"
    words = "one two three four five six seven eight nine ten eleven"
    lines = table(["name", "n", "options"], [[name, "1", words]], width=64)
    assert all(len(line) <= 64 for line in lines)
    assert lines[2].startswith("  a_very_long_nam...her/lstm_forward  1")
    # With too little room beside the others the last column goes below.
    assert lines[0].split() == ["name", "n"]
    assert " ".join(" ".join(lines[3:]).split()) == words
    assert shorten("short", 10) == "short"
    # Names are shortened further where the columns behind them are wide.
    lines = table(["name", "class", "options"], [[name, "C" * 34, words]], width=64)
    assert all(len(line) <= 64 for line in lines)
    assert lines[2].startswith("  a_very_long...lstm_forward  CCC")


def test_sizes_for_people():
    sizes = [
        size_text(n) for n in (7, 999, 1000, 14_728, 999_600, 2_000_000, 3 * 10**9)
    ]
    assert sizes == ["7 bytes", "999 bytes", "1 kB", "14.7 kB", "1 MB", "2 MB", "3 GB"]


def test_numbers_are_short():
    assert [difference(v) for v in (0, 2.34e-7, 1.5e-12, 1.04, 12.0)] == [
        "0",
        "2.3e-7",
        "1.5e-12",
        "1.0",
        "1.2e1",
    ]
    assert [quantity(v) for v in (12, 99_999, 123_456, 1.5e9)] == [
        "12",
        "99,999",
        "123 k",
        "1.5 G",
    ]
