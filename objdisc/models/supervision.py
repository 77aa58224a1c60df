"""What published weights were trained with: labels, texts, or nothing but images.

The keys are timm's tags, which name data and method (https://huggingface.co/timm has a card for each).
"""

from collections.abc import Mapping
from pathlib import Path

import timm
from timm.models import get_pretrained_cfg

from objdisc.models.checkpoints import config_of
from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin

PRETRAINED = frozenset({"imagenet", "pretrained"})
"""Values of ``weights`` that mean the published weights of a name."""
UNKNOWN = "unknown"

_SELF_SUPERVISED: Mapping[str, str] = {
    "lvd142m": "LVD-142M, 142 million images: DINOv2",
    "lvd1689m": "LVD-1689M, 1.7 billion images: DINOv3",
    "dinov3_lvd1689m": "LVD-1689M, 1.7 billion images: DINOv3",
    "sat493m": "SAT-493M, 493 million satellite images: DINOv3",
    "dino": "ImageNet-1k's images: DINO",
    "fb_dino": "ImageNet-1k's images: DINO",
    "mae": "ImageNet-1k's images: MAE",
    "fcmae": "ImageNet-1k's images: FCMAE",
    "in1k_ijepa": "ImageNet-1k's images: I-JEPA",
    "in22k_ijepa": "ImageNet-22k's images: I-JEPA",
    "seer": "a billion images of Instagram: SEER",
}
"""Whole tags of weights that have seen no label, with the images they have seen."""

_PAIRS = "image-text pairs"
_TEACHERS = f"{_PAIRS} and others (through teachers)"
_LABELS: Mapping[str, str] = {
    "openai": f"{_PAIRS} (400 million of OpenAI's CLIP)",
    "laion400m": f"{_PAIRS} (LAION-400M)",
    "laion2b": f"{_PAIRS} (LAION-2B)",
    "laiona": f"{_PAIRS} (LAION-A)",
    "datacomp1b": f"{_PAIRS} (DataComp-1B)",
    "datacompxl": f"{_PAIRS} (DataComp-1B)",
    "dfn2b": f"{_PAIRS} (DFN-2B)",
    "dfn5b": f"{_PAIRS} (DFN-5B)",
    "dfndr2b": f"{_PAIRS} (DFN-2B, through teachers)",
    "metaclip": f"{_PAIRS} (MetaCLIP)",
    "metaclip2": f"{_PAIRS} (MetaCLIP 2)",
    "webli": f"{_PAIRS} (WebLI)",
    "yfcc15m": f"{_PAIRS} (YFCC-15M)",
    "cc12m": f"{_PAIRS} (CC-12M)",
    "merged2b": f"{_PAIRS} (Merged-2B)",
    "mclip": f"{_PAIRS} (DataComp-1B, through teachers)",
    "clip": _PAIRS,
    "pt": _PAIRS,
    "mim": f"{_PAIRS} (through CLIP, whose features are predicted)",
    "m30m": f"{_PAIRS} (through CLIP, whose features are predicted)",
    "radio": _TEACHERS,
    "eupe": _TEACHERS,
    "ig1b": "hashtags of a billion images of Instagram",
    "swag": "hashtags of 3.6 billion images of Instagram",
    "inw21k": "ImageNet-21k class labels",
    "in12k": "ImageNet-12k class labels",
    "in21k": "ImageNet-21k class labels",
    "in22k": "ImageNet-22k class labels",
    "in1k": IMAGENET_SUPERVISION,
    "jft": f"{IMAGENET_SUPERVISION}, by which images of JFT-300M were labelled",
    "sa1b": "a billion masks of SA-1B",
}
"""The meaning of words in a tag, the earlier training first."""


_SELF_SUPERVISED_PROGRAMS: Mapping[str, str] = {
    "dinov2": "DINOv2",
    "dinov2_with_registers": "DINOv2",
    "dinov3_vit": "DINOv3",
    "dinov3_convnext": "DINOv3",
    "vit_mae": "MAE",
    "ijepa": "I-JEPA",
}
"""Values of ``model_type`` in transformers' ``config.json`` whose weights have seen no label, unless a classifier was
trained on them."""


def origin_of(name: str, weights: str) -> WeightsOrigin:
    """Say where the weights of an encoder come from.

    Args:
        name: The encoder.
        weights: As in ``objdisc.models.encoder.build_encoder``.

    Returns:
        The origin; for a file, the tag of the name tells it if the user gave one, or else the ``config.json`` beside
            the file.
    """
    if weights == "none":
        return WeightsOrigin()
    if weights in PRETRAINED:
        supervision, images = _trained_with(_tag_of(name))
        return WeightsOrigin(
            "imagenet" if supervision == IMAGENET_SUPERVISION else "pretrained", supervision, images=images
        )
    path = Path(weights)
    tag = name.partition(".")[2] if timm.is_model(name) else ""
    supervision, images = _trained_with(tag) if tag else _told_by(config_of(path))
    if supervision == UNKNOWN:
        return WeightsOrigin.file(path)
    return WeightsOrigin("file", supervision, str(path), images=images)


def _tag_of(name: str) -> str:
    """Return the tag of the weights that a name stands for."""
    name = name.removeprefix("tu-")
    if not timm.is_model(name):
        return "in1k"  # of torchvision and segmentation-models-pytorch, those on ImageNet are taken
    config = get_pretrained_cfg(name)
    return "" if config is None else str(config.tag)


def _trained_with(tag: str) -> tuple[str, str | None]:
    """Return the labels that weights of a tag have seen, or the images if they have seen no labels."""
    if tag in _SELF_SUPERVISED:
        return "none", _SELF_SUPERVISED[tag]
    words = tag.split("_")
    if words[0] == "mim":
        del words[1:2]  # the images of masked image modelling, whose labels it does not see
    seen = {word: said for word, said in _LABELS.items() if word in words}
    if "jft" in seen:
        del seen["in1k"]  # which it says too
    if any(said.startswith(_PAIRS) for word, said in seen.items() if word != "clip"):
        seen.pop("clip", None)  # which says less
    return ", then ".join(seen.values()) or UNKNOWN, None


def _told_by(config: Mapping[str, object]) -> tuple[str, str | None]:
    """Return the same from the ``config.json`` of timm or transformers."""
    pretrained = config.get("pretrained_cfg")
    if isinstance(pretrained, Mapping):
        return _trained_with(str(pretrained.get("tag", "")))
    program, classes = str(config.get("model_type", "")), str(config.get("architectures", ""))
    if program.startswith(("clip", "siglip")):
        return f"{_PAIRS}, as its config.json says", None
    if program in _SELF_SUPERVISED_PROGRAMS and "Classification" not in classes:
        return "none", f"images alone, as its config.json says: {_SELF_SUPERVISED_PROGRAMS[program]}"
    return UNKNOWN, None
