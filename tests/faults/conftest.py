"""The table of all faults at the end of the run."""

from harness import rig


def pytest_terminal_summary(terminalreporter):
    if rig.FIGURES:
        terminalreporter.section("faults")
        terminalreporter.write_line(rig.table(rig.FIGURES))
