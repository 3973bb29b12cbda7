"""The worked example of docs/explanation/thresholds.md gives the figures that the page tells."""

import doctest

from tests.shared_data import ROOT


def test_the_example_on_the_page_is_as_the_code_computes_it() -> None:
    failed, attempted = doctest.testfile(str(ROOT / "docs/explanation/thresholds.md"), module_relative=False)
    assert attempted > 20
    assert not failed
