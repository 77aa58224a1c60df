"""InfoNCE (van den Oord et al. 2018), in both directions within the batch as in SimCLR (Chen et al., ICML 2020)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.losses.base import Loss, positive

_NEVER = -1e9


class InfoNCELoss(Loss):
    """The module form of ``info_nce``: SimCLR's NT-Xent (Chen et al., ICML 2020, equation 1).

    Args:
        temperature: Cosine similarities are divided by it before the softmax; it is above 0.
    """

    def __init__(self, temperature: float = 0.2) -> None:
        super().__init__()
        self.temperature = positive("temperature", temperature)

    def forward(self, z: Tensor, z_prime: Tensor) -> Tensor:
        """Return the scalar loss of two views ``(B, D)``, as ``info_nce`` says."""
        return info_nce(z, z_prime, self.temperature)


def info_nce(z: Tensor, z_prime: Tensor, temperature: float = 0.2) -> Tensor:
    """Compute the cross-entropy of picking each sample's other view among all other views of the batch.

    Args:
        z: ``(B, D)`` embeddings of one view, of any floating dtype and any length. They are brought to unit length in
            float32.
        z_prime: ``(B, D)`` embeddings of the other view of the same samples.
        temperature: Cosine similarities are divided by it before the softmax; it is above 0.

    Returns:
        A scalar of at least 0. It is 0 for a batch of one sample or none.
    """
    with torch.autocast(z.device.type, enabled=False):
        unit = F.normalize(torch.cat([z, z_prime]).float(), dim=1)  # (2B, D)
        if len(z) < 2:
            return unit.sum() * 0
        itself = torch.eye(len(unit), dtype=torch.bool, device=z.device)
        similarity = (unit @ unit.T / temperature).masked_fill(itself, _NEVER)
        partner = torch.arange(len(unit), device=z.device).roll(len(z))
        return F.cross_entropy(similarity, partner)
