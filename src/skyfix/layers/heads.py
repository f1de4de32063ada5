"""The bottleneck heads of the University-1652 family, all parts at once."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class PartHeads(nn.Module):
    """One head per part: linear to ``width``, batch norm, dropout, linear to the places.

    The K heads of the papers are stored stacked, so that each layer is one batched product and
    one batch norm over all parts. Initial values as in University-1652 (Zheng et al. 2020),
    unless said otherwise.

    Args:
        parts: number of parts K.
        channels: length C of a pooled part.
        width: length of a part's embedding.
        places: number of places to classify.
        dropout: probability before the classifier.
        norm: False leaves the batch norm out (SUES-200).
        gelu: put a GELU between the linear layer and the batch norm (MBF).
        norm_spread: standard deviation of the batch norm's initial weights around 1; 0 in FSRA
            and its kin.
    """

    def __init__(
        self,
        parts: int,
        channels: int,
        width: int,
        places: int,
        dropout: float,
        *,
        norm: bool = True,
        gelu: bool = False,
        norm_spread: float = 0.02,
    ) -> None:
        super().__init__()
        self.parts, self.width = parts, width
        self.bottleneck_weight = nn.Parameter(torch.empty(parts, width, channels))
        self.bottleneck_bias = nn.Parameter(torch.zeros(parts, width))
        self.activation = nn.GELU() if gelu else nn.Identity()
        self.norm = nn.BatchNorm1d(parts * width) if norm else nn.Identity()
        self.dropout = nn.Dropout(dropout)
        self.classifier_weight = nn.Parameter(torch.empty(parts, places, width))
        self.classifier_bias = nn.Parameter(torch.zeros(parts, places))
        nn.init.normal_(self.bottleneck_weight, std=math.sqrt(2 / width))
        if isinstance(self.norm, nn.BatchNorm1d):
            nn.init.normal_(self.norm.weight, mean=1.0, std=norm_spread)
        nn.init.normal_(self.classifier_weight, std=0.001)

    def embed(self, pooled: Tensor) -> Tensor:
        """Pooled parts ``(N, K, C)`` to embeddings ``(N, K, width)``."""
        hidden = self.activation(_linear(pooled, self.bottleneck_weight, self.bottleneck_bias))
        return self.norm(hidden.flatten(1)).unflatten(1, (self.parts, self.width))

    def classify(self, embeddings: Tensor) -> Tensor:
        """Embeddings ``(N, K, width)`` to logits ``(N, K, places)``."""
        return self.features_and_logits(embeddings)[1]

    def features_and_logits(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings ``(N, K, width)`` after dropout, and the logits ``(N, K, places)`` of these.

        FSRA and its kin compare the features in which dropout has left its holes.
        """
        features = self.dropout(embeddings)
        return features, _linear(features, self.classifier_weight, self.classifier_bias)


def _linear(parts: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """K linear layers in one batched product: ``(N, K, in)`` to ``(N, K, out)``."""
    inputs, kind = parts.transpose(0, 1), parts.device.type
    if not (torch.is_grad_enabled() and weight.requires_grad):
        # An exported graph cannot hold a function of one's own.
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight.transpose(1, 2)).transpose(0, 1)
    if torch.is_autocast_enabled(kind):
        lower = torch.get_autocast_dtype(kind)
        inputs, weight, bias = (one.to(lower) for one in (inputs, weight, bias))
    outputs: Tensor = _PartLinear.apply(inputs, weight, bias)
    return outputs.transpose(0, 1)


class _PartLinear(torch.autograd.Function):
    """Linear layers whose gradients come out laid out as the weights are.

    Those of ``baddbmm`` come out transposed, and all of them are copied into the weights' layout:
    a third of LPN's time behind the backbone.
    """

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        """``(K, N, in)``, ``(K, out, in)`` and ``(K, out)`` to ``(K, N, out)``."""
        ctx.save_for_backward(inputs, weight)
        return torch.baddbmm(bias.unsqueeze(1), inputs, weight.transpose(1, 2))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """From the outputs' gradient ``(K, N, out)`` to those of inputs, weights and biases."""
        inputs, weight = ctx.saved_tensors
        outward = gradient.transpose(1, 2)
        return gradient @ weight, outward @ inputs, gradient.sum(dim=1)
