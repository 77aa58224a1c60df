"""Regions from Segment Anything: a small network with random weights, written by transformers itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from objdisc.datasets.imagefolder import ImageFolder
from objdisc.errors import UsageError
from objdisc.imaging.decode import read_rgb
from objdisc.io.files import write_image
from objdisc.objectness.base import decode_mask
from objdisc.objectness.sam import Sam

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam")
    small = {"hidden_size": 32, "image_size": 64, "patch_size": 8}
    config = transformers.SamConfig(
        vision_config=small
        | {"output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "window_size": 4, "mlp_dim": 32}
        | {"global_attn_indexes": [1], "num_pos_feats": 16},
        prompt_encoder_config=small | {"mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        | {"iou_head_hidden_dim": 32},
    )
    torch.manual_seed(0)
    transformers.SamModel(config).save_pretrained(folder)
    sides = {"size": {"longest_edge": 64}, "pad_size": {"height": 64, "width": 64}}
    sides |= {"mask_size": {"longest_edge": 16}, "mask_pad_size": {"height": 16, "width": 16}}
    transformers.SamImageProcessor(**sides).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def checkpoint_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sam2")
    widths = [16, 32, 64, 128]
    backbone = transformers.Sam2HieraDetConfig(
        hidden_size=16,
        image_size=[64, 64],
        blocks_per_stage=[1, 1, 2, 1],
        embed_dim_per_stage=widths,
        num_attention_heads_per_stage=[1, 1, 2, 2],
        window_size_per_stage=[4, 4, 4, 4],
        global_attention_blocks=[3],
        window_positional_embedding_background_size=[4, 4],
    )
    config = transformers.Sam2Config(
        vision_config=transformers.Sam2VisionConfig(
            backbone_config=backbone,
            backbone_channel_list=widths[::-1],
            backbone_feature_sizes=[[16, 16], [8, 8], [4, 4]],
            fpn_hidden_size=32,
        ),
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config={"hidden_size": 32, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
        | {"iou_head_hidden_dim": 32},
    )
    torch.manual_seed(0)
    transformers.Sam2Model(config).save_pretrained(folder)
    sides = {"size": {"height": 64, "width": 64}, "mask_size": {"height": 16, "width": 16}}
    transformers.Sam2ImageProcessor(**sides).save_pretrained(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> ImageFolder:
    write_image(tmp_path / "a.png", np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8))
    return ImageFolder(tmp_path)


def test_masks_of_a_checkpoint_are_regions_the_best_first(checkpoint: Path, photos: ImageFolder) -> None:
    source = Sam(str(checkpoint), points=4, least_overlap=0, least_stability=0)
    image = read_rgb(photos.samples[0].image_path)
    regions = source.regions(photos, photos.samples[0], image)
    assert regions
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)
    for region in regions:
        assert region.mask is not None
        assert decode_mask(region.mask).shape == (48, 64)
    assert source.regions(photos, photos.samples[0], image) == regions
    strict = Sam(str(checkpoint), points=4, least_overlap=1, least_stability=1)
    assert strict.regions(photos, photos.samples[0], image) == []
    assert source.regions(photos, photos.samples[0], np.full((48, 64, 3), 9, np.uint8)) == []


def test_segment_anything_2_makes_masks_alike_and_has_seen_videos_too(checkpoint_2: Path, photos: ImageFolder) -> None:
    source = Sam(str(checkpoint_2), points=4, least_overlap=0, least_stability=0)
    image = read_rgb(photos.samples[0].image_path)
    regions = source.regions(photos, photos.samples[0], image)
    assert regions
    assert all(region.mask is not None and decode_mask(region.mask).any() for region in regions)
    assert source.regions(photos, photos.samples[0], image) == regions
    assert "class-agnostic masks" in source.supervision
    assert "videos" in source.supervision


def test_it_says_what_the_weights_have_seen(checkpoint: Path) -> None:
    source = Sam(str(checkpoint))
    assert source.origin is not None
    assert "class-agnostic masks" in source.origin.labels
    assert source.supervision == source.origin.labels
    assert "videos" not in source.supervision
    assert source.in_process
    assert source.fingerprint() == Sam(str(checkpoint)).fingerprint() != Sam(str(checkpoint), most=3).fingerprint()


def test_what_is_missing_or_of_another_network_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no config\.json") as empty:
        Sam(str(tmp_path))
    transformers.ViTConfig().save_pretrained(tmp_path / "vit")
    with pytest.raises(UsageError, match="is of vit; give Segment Anything, whose model_type is sam or sam2") as other:
        Sam(str(tmp_path / "vit"))
    with pytest.raises(UsageError, match="give the folder") as missing:
        Sam(str(tmp_path / "none"))
    for error in (empty, other, missing):
        assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match="start at 1"):
        Sam("x", most=0)
