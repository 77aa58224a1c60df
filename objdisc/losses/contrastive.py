"""InfoNCE: van den Oord et al. 2018; both ways within the batch as in SimCLR, Chen et al., ICML 2020."""

import torch
from torch import Tensor
from torch.nn import functional as F

_NEVER = -1e9


def info_nce(z: Tensor, z_prime: Tensor, temperature: float = 0.2) -> Tensor:
    """Cross-entropy of telling each sample's other view from all other views of the batch.

    Args:
        z: ``(B, D)`` embeddings of one view, any floating dtype and length; computed in float32 at unit length.
        z_prime: ``(B, D)`` of the other view of the same samples.
        temperature: Of the softmax over cosine similarities; > 0.

    Returns:
        Scalar >= 0; 0 for a batch of one sample or none.
    """
    with torch.autocast(z.device.type, enabled=False):
        unit = F.normalize(torch.cat([z, z_prime]).float(), dim=1)  # (2B, D)
        if len(z) < 2:
            return unit.sum() * 0
        itself = torch.eye(len(unit), dtype=torch.bool, device=z.device)
        similarity = (unit @ unit.T / temperature).masked_fill(itself, _NEVER)
        partner = torch.arange(len(unit), device=z.device).roll(len(z))
        return F.cross_entropy(similarity, partner)
