"""What FSRA, MCCG and DenseUAV have in common: branches that are classified and compared."""

from abc import abstractmethod

import torch
from torch import Tensor

from skyfix.losses.classification import mean_cross_entropy
from skyfix.losses.divergence import prediction_divergence
from skyfix.systems.part_system import PartSystem, sum_of
from skyfix.systems.system import Batch

CLASS_TOKEN = "class token"
NORM_SPREAD = 0.0
"""Their heads' batch norms start at weights of exactly 1."""


class BranchSystem(PartSystem):
    """Parts whose losses are averaged, with a loss that compares satellite and drone features."""

    divergence = False
    """Whether the satellite predictions are drawn towards the drone's (DenseUAV)."""

    @abstractmethod
    def pair_loss(self, satellite: Tensor, drone: Tensor, places: tuple[Tensor, Tensor]) -> Tensor:
        """Mean over parts of the loss between features ``(K, N, D)`` and ``(K, M, D)``.

        Args:
            places: class indices ``(N,)`` of the satellite images, ``(M,)`` of the drone images.
        """

    def classification_loss(self, logits: Tensor, places: Tensor) -> Tensor:
        """Mean over images and parts of logits ``(N, K, places)``: cross-entropy."""
        return mean_cross_entropy(logits, places)

    def objective(self, batch: Batch) -> dict[str, Tensor]:
        """Classification of each view and the loss between them, all averaged over parts."""
        features, logits, terms = {}, {}, {}
        for view, images in batch.images.items():
            embeddings = self.part_embeddings(images)
            features[view], logits[view] = self.heads.features_and_logits(embeddings)
            terms[f"classification_{view}"] = self.classification_loss(
                logits[view], batch.places[view]
            )
        places = (batch.places["satellite"], batch.places["drone"])
        satellite, drone = (features[view].transpose(0, 1) for view in ("satellite", "drone"))
        terms["triplet"] = self.pair_loss(satellite, drone, places)
        if self.divergence:
            first, second = torch.nonzero(places[0][:, None] == places[1], as_tuple=True)
            terms["divergence"] = prediction_divergence(
                logits["satellite"][first], logits["drone"][second]
            )
        return {**terms, "total": sum_of(terms)}
