"""Published figures are told apart from measured ones, wherever they are shown."""

from __future__ import annotations

from workbench.bench.published import NOT_MEASURED, PUBLISHED, as_table


def test_every_figure_says_where_it_is_from_and_that_it_was_not_measured_here():
    assert NOT_MEASURED == "published, not measured here"
    for figure in PUBLISHED:
        low, high = figure.seconds
        assert 0 < low <= high
        assert "arXiv" in figure.source or "github.com" in figure.source
        assert figure.output
        assert figure.note
        assert NOT_MEASURED in str(figure)


def test_the_table_is_labelled_in_its_heading_and_sorted():
    heading, *rows = as_table()
    assert NOT_MEASURED in heading[1]
    assert len(rows) == len(PUBLISHED)
    assert [figure.seconds for figure in PUBLISHED] == sorted(figure.seconds for figure in PUBLISHED)
    assert rows[0][1] == "0.328"
