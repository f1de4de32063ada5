"""Rows of pictures: queries beside their best gallery images, and the queries that went wrong."""

from collections.abc import Iterator

import numpy as np

from skyfix.outputs.cells import thumbnail
from skyfix.outputs.page import Page, Shown
from skyfix.outputs.ranking import Hit, Ranking

STRIPS, FAILURES, BEST = 8, 6, 5
_SIGNS = {"right": "✓ right", "near": "≈ overlaps", "wrong": "✗ wrong"}


def chosen_rows(ranking: Ranking) -> list[int]:
    """``STRIPS`` queries at even distances through the data set's order, first and last too."""
    last = len(ranking.first_rank) - 1
    return sorted(set(np.linspace(0, last, STRIPS).round().astype(int).tolist()))


def worst_rows(ranking: Ranking) -> list[int]:
    """Up to ``FAILURES`` queries, the worst rank of their true match first, one a place."""
    rows: dict[str, int] = {}
    for row in np.argsort(-ranking.first_rank, kind="stable").tolist():
        if ranking.first_rank[row] <= 0 or len(rows) == FAILURES:
            break
        rows.setdefault(ranking.query_places[row], row)
    return list(rows.values())


def add_strips(page: Page, ranking: Ranking) -> None:
    """Add queries, chosen by a fixed rule, beside their best gallery images."""
    page.subheading(ranking.direction)
    for row in chosen_rows(ranking):
        page.row([_query(ranking, row), *_answers(ranking, row)], _title(ranking, row))


def add_failures(page: Page, ranking: Ranking) -> None:
    """Add the queries whose true match ranks worst, with that match."""
    page.subheading(ranking.direction)
    lost = int((ranking.first_rank < 0).sum())
    if lost:
        page.text(f"{lost:,} queries have no true match in the gallery and are not shown.")
    rows = worst_rows(ranking)
    if not rows:
        page.text("Every query that has a true match found it first.")
    for row in rows:
        truth = ranking.truth(row)
        cells = [_query(ranking, row)]
        if truth is not None:
            cells.append(_cell(ranking, truth, "true match: "))
        page.row([*cells, *_answers(ranking, row)], _title(ranking, row))


def _title(ranking: Ranking, row: int) -> str:
    rank, size = int(ranking.first_rank[row]), int(ranking.ranked.sum())
    place = ranking.query_places[row]
    if rank < 0:
        return f"Place {place}: no true match in the gallery of {size:,}."
    return f"Place {place}: true match at rank {rank + 1:,} of {size:,}."


def _query(ranking: Ranking, row: int) -> Shown:
    path = ranking.query_file(row)
    return Shown(thumbnail(path), f"query: {path.name}")


def _answers(ranking: Ranking, row: int) -> Iterator[Shown]:
    for rank, hit in enumerate(ranking.best(row, BEST), start=1):
        yield _cell(ranking, hit, f"{rank}. ")


def _cell(ranking: Ranking, hit: Hit, before: str) -> Shown:
    away = "" if hit.away_m is None else f", {hit.away_m:,.0f} m away"
    place = ranking.gallery_places[hit.column]
    caption = f"{before}{_SIGNS[hit.verdict]}, score {hit.score:.3f}{away}, place {place}"
    return Shown(thumbnail(ranking.gallery_file(hit.column)), caption, hit.verdict)
