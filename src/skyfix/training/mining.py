"""Places that are easily confused, as Sample4Geo (Deuser et al. 2023) finds them."""

from pathlib import Path

import numpy as np
import torch

from skyfix.evaluation.protocol import FileEmbedder
from skyfix.training.batches import ViewImages
from skyfix.views import View

_BLOCK = 2048


def alike_places(embedder: FileEmbedder, views: dict[View, ViewImages], count: int) -> np.ndarray:
    """The ``count`` other places whose satellite images are most like each place's photo.

    Of each place its first image of each view is looked at; one that cannot be read is taken for
    unlike all others.

    Returns:
        ``(P, count)``, the most alike first.
    """
    photo = next(view for view in views if view != "satellite")
    asked, searched = (_of_places(embedder, views[view], view) for view in (photo, "satellite"))
    count = min(count, len(asked) - 1)
    found = []
    for start in range(0, len(asked), _BLOCK):
        scores = asked[start : start + _BLOCK] @ searched.T
        rows = torch.arange(len(scores))
        scores[rows, start + rows] = -torch.inf
        found.append(scores.topk(count, dim=1).indices)
    return torch.cat(found).numpy()


def _of_places(embedder: FileEmbedder, images: ViewImages, view: View) -> torch.Tensor:
    """Descriptors of the places' first images, ``(P, D)``."""
    first = np.unique(images.classes, return_index=True)[1]
    paths: list[Path] = [images.paths[row] for row in first]
    altitude_m = None if images.altitude_m is None else images.altitude_m[first]
    descriptors, kept, _ = embedder.embed_files(
        paths, view, progress=f"Mine {view} images", altitude_m=altitude_m
    )
    rows = torch.zeros(len(first), descriptors.shape[1])
    rows[torch.from_numpy(kept)] = torch.from_numpy(descriptors)
    return rows
