"""Links between photos and tiles against plain loops over sets."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from skyfix.datasets.contract import Matches
from skyfix.datasets.links import best_tiles, matches_of, rows_of, taken, turned, with_positive

QUERIES, GALLERY = 5, 4
LINKS = st.dictionaries(
    st.tuples(st.integers(0, QUERIES - 1), st.integers(0, GALLERY - 1)),
    st.tuples(st.integers(1, 9).map(lambda tenths: tenths / 10), st.booleans()),
)
Link = tuple[int, int, float, bool]


def from_links(links: dict[tuple[int, int], tuple[float, bool]]) -> Matches:
    rows, columns, overlap, semi = [], [], [], []
    for (row, column), (value, kind) in links.items():
        rows.append(row)
        columns.append(column)
        overlap.append(value)
        semi.append(kind)
    return matches_of(QUERIES, rows, columns, overlap, semi)


def listed(matches: Matches) -> list[Link]:
    return [
        (row, int(column), float(overlap), bool(semi))
        for row in range(len(matches.start) - 1)
        for column, overlap, semi in zip(
            *(
                values[matches.start[row] : matches.start[row + 1]]
                for values in (matches.columns, matches.overlap, matches.semi)
            ),
            strict=True,
        )
    ]


@given(LINKS)
def test_every_link_comes_back_in_order(links):
    matches = from_links(links)
    assert listed(matches) == sorted((*key, *value) for key, value in links.items())
    assert rows_of(matches).tolist() == [row for row, *_ in listed(matches)]
    assert matches.start.dtype == matches.columns.dtype == np.int64


@given(LINKS)
def test_turned_swaps_the_sides(links):
    matches = from_links(links)
    other = turned(matches, GALLERY)
    swapped = sorted((column, row, *rest) for row, column, *rest in listed(matches))
    assert listed(other) == swapped
    assert listed(turned(other, QUERIES)) == listed(matches)


@given(LINKS, st.lists(st.integers(0, QUERIES - 1)))
def test_taken_follows_the_queries(links, chosen):
    matches = from_links(links)
    part = taken(matches, np.array(chosen, dtype=np.int64))
    expected = [
        (new, *rest)
        for new, old in enumerate(chosen)
        for row, *rest in listed(matches)
        if row == old
    ]
    assert len(part.start) == len(chosen) + 1
    assert listed(part) == expected


@given(LINKS)
def test_positives_and_best_tiles(links):
    matches = from_links(links)
    positive = sorted({row for (row, _), (_, semi) in links.items() if not semi})
    assert with_positive(matches).tolist() == positive
    best = best_tiles(matches).tolist()
    for query in range(QUERIES):
        own = [
            (semi, -overlap, column)
            for (row, column), (overlap, semi) in links.items()
            if row == query
        ]
        assert best[query] == (min(own)[2] if own else -1)
