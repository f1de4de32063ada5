"""Where a system looks: how strongly the cells of its parts answer to an image."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image

from skyfix.evaluation.protocol import views_of
from skyfix.images import read_image
from skyfix.inference import Embedder
from skyfix.layers.answers import answers
from skyfix.layers.descriptors import part_cosines
from skyfix.outputs.cells import shrunk, with_heat
from skyfix.outputs.page import Page, Shown
from skyfix.outputs.ranking import Ranking
from skyfix.outputs.ranking_pictures import chosen_rows, worst_rows
from skyfix.systems.preprocess import normalized, prepared
from skyfix.systems.system import WHOLE
from skyfix.views import View


def add_heat(page: Page, embedder: Embedder, ranking: Ranking) -> None:
    """Add the first chosen query and the worst one, each above its true match."""
    page.subheading(ranking.direction)
    matched = [row for row in chosen_rows(ranking) if ranking.first_rank[row] >= 0]
    if not matched:
        page.text("No query has a true match.")
    for row in dict.fromkeys([*matched[:1], *worst_rows(ranking)[:1]]):
        truth = ranking.truth(row)
        if truth is not None:
            _add_pair(page, embedder, ranking, row, truth.column)


def _add_pair(page: Page, embedder: Embedder, ranking: Ranking, row: int, column: int) -> None:
    asking, searched = views_of(ranking.direction)
    query, match = ranking.query_file(row), ranking.gallery_file(column)
    first, second = ranking.query.descriptors[row], ranking.gallery.descriptors[column]
    parts = embedder.system.descriptor_parts
    cosines = part_cosines(torch.from_numpy(first[None]), torch.from_numpy(second[None]), parts)
    rank = int(ranking.first_rank[row]) + 1
    place = ranking.query_places[row]
    page.row(_maps(embedder, query, asking), f"Place {place}, query {query.name}.")
    page.row(
        _maps(embedder, match, searched, cosines[0].tolist()),
        f"Its true match {match.name}, at rank {rank:,}.",
    )


def _maps(
    embedder: Embedder, path: Path, view: View, cosines: Sequence[float] = ()
) -> Iterator[Shown]:
    """An image as the network sees it, then under the answers of the whole map and each part."""
    system = embedder.system
    samples = prepared(read_image(path), system.preprocess[view])
    batch = normalized(samples[None].to(embedder.device), system.preprocess[view])
    with torch.inference_mode():
        parts = system.part_maps(batch, view)
        maps = {WHOLE: answers(system.feature_map(batch, view)), **parts}
    found = dict(zip(parts, cosines, strict=True)) if len(cosines) == len(parts) else {}
    photo = shrunk(Image.fromarray(samples.permute(1, 2, 0).numpy()))
    yield Shown(photo, "as the network sees it")
    for name, heat in maps.items():
        # Adding zero turns -0.0 into 0.0.
        cosine = f", cosine {round(found[name], 2) + 0.0:.2f}" if name in found else ""
        yield Shown(with_heat(photo, heat[0].float().cpu().numpy()), name + cosine)
