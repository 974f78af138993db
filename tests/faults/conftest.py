"""The table of all faults at the end of the run."""

from harness import figures


def pytest_terminal_summary(terminalreporter):
    if figures.FIGURES:
        terminalreporter.section("faults")
        terminalreporter.write_line(figures.table(figures.FIGURES))
