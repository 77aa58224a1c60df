"""Clustering objectives as functions of tensors and as modules: they know no trainer and no labels."""

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
