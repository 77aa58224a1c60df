"""What weights were trained with is said as it was: by timm's tag, by a file's settings, or not at all."""

import json
from pathlib import Path

import pytest

from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin
from objdisc.models.supervision import origin_of


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("vit_small_patch14_dinov2.lvd142m", "LVD-142M"),
        ("vit_small_patch14_reg4_dinov2", "LVD-142M"),  # its only tag
        ("vit_small_patch16_dinov3.lvd1689m", "LVD-1689M"),
        ("convnext_tiny.dinov3_lvd1689m", "LVD-1689M"),
        ("vit_base_patch16_224.mae", "ImageNet-1k's images: MAE"),
        ("vit_base_patch16_224.dino", "ImageNet-1k's images: DINO"),
        ("vit_huge_patch14_gap_224.in22k_ijepa", "ImageNet-22k's images: I-JEPA"),
    ],
)
@pytest.mark.parametrize("weights", ["pretrained", "imagenet"])
def test_self_supervised_weights_have_seen_no_labels(name: str, images: str, weights: str) -> None:
    origin = origin_of(name, weights)
    assert origin.pretrained
    assert origin.labels == ""
    assert origin.source == "pretrained"
    assert str(origin).startswith(f"none (self-supervised on {images}")
    assert WeightsOrigin.from_metrics(origin.to_metrics()) == origin


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18.a1_in1k", IMAGENET_SUPERVISION),
        ("tf_efficientnet_lite0", IMAGENET_SUPERVISION),
        ("googlenet", IMAGENET_SUPERVISION),
        ("timm-efficientnet-b0", IMAGENET_SUPERVISION),
        ("tu-resnet18", IMAGENET_SUPERVISION),
        ("convnextv2_tiny.fcmae_ft_in1k", IMAGENET_SUPERVISION),
        ("vit_tiny_patch16_224", f"ImageNet-21k class labels, then {IMAGENET_SUPERVISION}"),
        ("vit_base_patch16_clip_224.openai", "image-text pairs (400 million of OpenAI's CLIP)"),
        ("vit_base_patch16_siglip_224.webli", "image-text pairs (WebLI)"),
        ("vit_base_patch16_siglip_224.v2_webli", "image-text pairs (WebLI)"),
        (
            "vit_base_patch16_clip_224.laion2b_ft_in12k_in1k",
            f"image-text pairs (LAION-2B), then ImageNet-12k class labels, then {IMAGENET_SUPERVISION}",
        ),
        (
            "vit_base_patch16_clip_224.openai_ft_in1k",
            f"image-text pairs (400 million of OpenAI's CLIP), then {IMAGENET_SUPERVISION}",
        ),
        ("convnext_base.clip_laion2b", "image-text pairs (LAION-2B)"),
        ("tf_efficientnet_b0.ns_jft_in1k", f"{IMAGENET_SUPERVISION}, by which images of JFT-300M were labelled"),
        ("samvit_base_patch16.sa1b", "a billion masks of SA-1B"),
        ("eva02_tiny_patch14_224.mim_in22k", "image-text pairs (through CLIP, whose features are predicted)"),
        ("qwen3_vit_88m", "unknown"),
    ],
)
def test_labels_that_weights_have_seen_are_told(name: str, said: str) -> None:
    origin = origin_of(name, "pretrained")
    assert str(origin) == origin.labels == said
    assert origin.source == ("imagenet" if said == IMAGENET_SUPERVISION else "pretrained")


def test_random_weights_have_seen_nothing() -> None:
    assert origin_of("vit_base_patch16_224.mae", "none") == WeightsOrigin()


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"model_type": "dinov2", "architectures": ["Dinov2Model"]}, "none (self-supervised on images alone"),
        ({"model_type": "dinov2", "architectures": ["Dinov2ForImageClassification"]}, "whatever the weights in"),
        ({"model_type": "clip_vision_model"}, "image-text pairs, as its config.json says"),
        ({"architecture": "vit_x", "pretrained_cfg": {"tag": "lvd142m"}}, "none (self-supervised on LVD-142M"),
        ({"architecture": "vit_x", "pretrained_cfg": {"tag": ""}}, "whatever the weights in"),
        ({"model_type": "vit"}, "whatever the weights in"),
        ([1], "whatever the weights in"),
    ],
)
def test_settings_beside_a_file_tell_what_it_was_trained_with(config: object, said: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    for path in (tmp_path, tmp_path / "model.safetensors"):
        origin = origin_of("vit_small_patch14_dinov2", str(path))
        assert str(origin).startswith(said)
        assert (origin.source, origin.path) == ("file", str(path))


def test_a_tag_that_the_user_names_tells_it_of_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "dinov2_vits14_pretrain.pth")
    assert origin_of("vit_small_patch14_dinov2.lvd142m", path).labels == ""
    assert origin_of("vit_small_patch14_dinov2", path) == WeightsOrigin.file(Path(path))
