"""Clustering objectives as functions of tensors and as modules: they know no trainer and no labels.

Names are loaded when they are first asked for, so that importing this package does not wait for torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = [
    "AffinityTripletLoss",
    "AgreementLoss",
    "BalanceLoss",
    "DenseIIDLoss",
    "HingeTripletLoss",
    "IIDLoss",
    "InfoNCELoss",
    "KMeansLoss",
    "SCANLoss",
    "ScanTerms",
    "SelfLabelLoss",
    "affinity_triplets",
    "agreement_loss",
    "balance_loss",
    "balanced_targets",
    "cluster_counts",
    "curriculum_thresholds",
    "hinge_triplets",
    "iid_dense_loss",
    "iid_loss",
    "info_nce",
    "joint_of_each_shift",
    "kmeans_loss",
    "marginal_entropy",
    "scan_loss",
    "self_label_loss",
    "squared_distances",
    "sum_of_joints",
]

if TYPE_CHECKING:
    from objdisc.losses.contrastive import InfoNCELoss, info_nce
    from objdisc.losses.iid import (
        DenseIIDLoss,
        IIDLoss,
        iid_dense_loss,
        iid_loss,
        joint_of_each_shift,
        sum_of_joints,
    )
    from objdisc.losses.kmeans_memory import (
        AgreementLoss,
        BalanceLoss,
        KMeansLoss,
        agreement_loss,
        balance_loss,
        balanced_targets,
        cluster_counts,
        kmeans_loss,
        squared_distances,
    )
    from objdisc.losses.scan import (
        SCANLoss,
        ScanTerms,
        SelfLabelLoss,
        curriculum_thresholds,
        marginal_entropy,
        scan_loss,
        self_label_loss,
    )
    from objdisc.losses.triplet import AffinityTripletLoss, HingeTripletLoss, affinity_triplets, hinge_triplets
else:
    _MODULES = ("contrastive", "iid", "kmeans_memory", "scan", "triplet")

    def __getattr__(name: str) -> object:
        if name in _MODULES:
            return import_module(f"{__name__}.{name}")
        if name in __all__:
            for module in map(__getattr__, _MODULES):
                if hasattr(module, name):
                    return getattr(module, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__all__, *_MODULES})
