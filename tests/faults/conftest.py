"""The table of all faults at the end of the run.

Tests may run in several processes. Each row travels to the process that prints the table with its test's report.
"""

import dataclasses

import pytest
from harness import figures

ROWS = []   # of all reports, as they came


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    if call.when == "teardown":
        item.user_properties += [("fault", dataclasses.asdict(row)) for row in figures.FIGURES]
        figures.FIGURES.clear()
    yield


def pytest_runtest_logreport(report):
    if report.when == "teardown":
        ROWS.extend(figures.Figures(**row) for name, row in report.user_properties if name == "fault")


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        ROWS.sort(key=lambda row: row.fault)
        terminalreporter.section("faults")
        terminalreporter.write_line(figures.table(ROWS))
