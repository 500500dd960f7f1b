"""The demo ends with where its report is."""

import io
from pathlib import Path

from rich.console import Console

from quasistatic.cli import demo


def test_the_last_line_names_the_report_and_the_page() -> None:
    report = {
        "score": {"value": 2.0, "standard_error": 0.1, "null": {"value": 4.0}},
        "held_out": 360,
        "baselines": {},
        "seconds": {"learn": 90.0},
    }
    printed = io.StringIO()
    demo._tell(report, Path("demo"), Console(file=printed, width=200))
    last = printed.getvalue().splitlines()[-1]
    assert last == "open demo/report.html in a browser, or run: quasistatic serve demo"
