"""Sub-heads: several linear classifiers on the same features, trained together and chosen from."""

import torch
from torch import Tensor, nn


class SubHeads(nn.Module):
    """S linear layers with softmax, for vectors or, as 1×1 convolutions, for maps; float32 even under autocast.

    Sub-heads start from different random weights and so end in different optima (Ji et al. 2019, section 4.1).

    Args:
        num_features: F, length of a feature vector.
        num_clusters: K.
        num_heads: S.
        scale: Standard deviation of the initial weights. It does not shrink with F, so that sub-heads start apart from
            each other.
    """

    def __init__(self, num_features: int, num_clusters: int, num_heads: int = 5, scale: float = 0.01) -> None:
        super().__init__()
        self.weight = nn.Parameter(scale * torch.randn(num_heads, num_clusters, num_features))
        self.bias = nn.Parameter(torch.zeros(num_heads, num_clusters))

    def forward(self, features: Tensor) -> Tensor:
        """Map ``(B, F)`` to ``(S, B, K)`` probabilities, ``(B, F, H, W)`` to ``(S, B, K, H, W)``; float32."""
        with torch.autocast(features.device.type, enabled=False):
            features = features.float()
            if features.ndim == 2:
                return torch.softmax(features @ self.weight.mT + self.bias[:, None], dim=2)
            logits = torch.einsum("skf,bfhw->sbkhw", self.weight, features)
            return torch.softmax(logits + self.bias[:, None, :, None, None], dim=2)
