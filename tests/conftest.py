"""What tests of several folders need, and what is printed at the end of a run."""

import sys

import pytest


@pytest.fixture
def no_child(monkeypatch):
    """No Keras may be started."""
    from gru2np.verification import keras_process

    def refuse(*arguments, **options):
        raise AssertionError("a process was started")

    monkeypatch.setattr(keras_process.subprocess, "Popen", refuse)


def pytest_terminal_summary(terminalreporter):
    """How many random models were compared, refused, or not built by Keras."""
    checking = sys.modules.get("random_models.checking")
    if checking is not None and checking.OUTCOMES:
        terminalreporter.section("random models")
        for outcome, count in checking.OUTCOMES.most_common():
            terminalreporter.write_line(f"{count:6} {outcome}")
