"""Weights as transformers writes them give the tokens that transformers computes."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from timm.models.convnext import ConvNeXt
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder, build_encoder
from objdisc.models.weights import load_file_into

from ..support.tiny_transformer import tiny_transformer

TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 56, "patch_size": 14}
EXACT = 1e-4


def written(folder: Path, program: str, **settings: Any) -> Any:
    """Write a model of transformers whose every weight counts, and return it."""
    torch.manual_seed(0)
    model_class = getattr(transformers, program)
    model = model_class(model_class.config_class(**settings)).eval()
    with torch.no_grad():
        for value in model.parameters():
            value.copy_(torch.randn(value.shape) * 0.3)
    model.save_pretrained(folder)
    return model


def images(side: int = 56) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(1)) - 0.5


CASES: dict[str, tuple[dict[str, Any], Callable[[], nn.Module]]] = {
    "Dinov2Model": ({}, partial(tiny_transformer, init_values=1e-5)),
    "Dinov2WithRegistersModel": (
        {},
        partial(tiny_transformer, init_values=1e-5, reg_tokens=4, no_embed_class=True),
    ),
    "CLIPVisionModel": (
        {"intermediate_size": 128},
        partial(tiny_transformer, pre_norm=True, act_layer="quick_gelu", norm_layer=partial(nn.LayerNorm, eps=1e-5)),
    ),
    "SiglipVisionModel": (
        {"intermediate_size": 128},
        partial(tiny_transformer, class_token=False, global_pool="map", act_layer="gelu_tanh"),
    ),
    "ViTModel": ({"intermediate_size": 128}, tiny_transformer),
    "ViTMAEModel": ({"intermediate_size": 128, "mask_ratio": 0.0}, tiny_transformer),
    "IJepaModel": (
        {"intermediate_size": 128, "layer_norm_eps": 1e-6},
        partial(tiny_transformer, class_token=False, global_pool="avg", fc_norm=False),
    ),
}


@torch.no_grad()
def tokens_of(model: Any, seen: Tensor) -> Tensor:
    """Return transformers' tokens, in the order of the image and normalised as timm does."""
    said = model(pixel_values=seen)
    tokens: Tensor = said.last_hidden_state
    if isinstance(model, transformers.CLIPVisionModel):
        tokens = model.post_layernorm(tokens)
    if isinstance(model, transformers.ViTMAEModel):  # it shuffles patches even where it masks none
        order = said.ids_restore[..., None].expand(-1, -1, tokens.shape[2])
        tokens = torch.cat([tokens[:, :1], tokens[:, 1:].gather(1, order)], dim=1)
    return tokens


@pytest.mark.parametrize("program", CASES)
def test_tokens_are_those_of_transformers(program: str, tmp_path: Path) -> None:
    settings, make = CASES[program]
    model, body = written(tmp_path, program, **TINY, **settings), make().eval()
    load_file_into(body, tmp_path)
    with torch.no_grad():
        ours: Any = body.forward_features(images())  # type: ignore[operator] # timm's
        torch.testing.assert_close(ours, tokens_of(model, images()), rtol=EXACT, atol=EXACT)
        if program == "SiglipVisionModel":
            pooled = model(pixel_values=images()).pooler_output
            torch.testing.assert_close(body(images()), pooled, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize(("gated", "biases"), [(False, False), (True, False), (False, True)])
def test_tokens_are_those_of_dinov3(gated: bool, biases: bool, tmp_path: Path) -> None:
    """Rotary positions, four registers, no bias for the key; a gated perceptron in the larger ones."""
    settings = {"use_gated_mlp": gated, "hidden_act": "silu" if gated else "gelu", "num_register_tokens": 4}
    settings |= {"query_bias": biases, "value_bias": biases, "intermediate_size": 128, "patch_size": 16}
    model = written(tmp_path, "DINOv3ViTModel", **{**TINY, **settings})
    body = Eva(
        img_size=64, patch_size=16, embed_dim=32, depth=2, num_heads=2, num_classes=0, qkv_bias=biases,
        init_values=1e-5, rope_type="dinov3", rope_temperature=100, rope_rotate_half=True, use_rot_pos_emb=True,
        use_abs_pos_emb=False, num_reg_tokens=4, use_fc_norm=False, norm_layer=partial(nn.LayerNorm, eps=1e-5),
        dynamic_img_size=True, swiglu_mlp=gated, swiglu_align_to=8 if gated else 0,
    ).eval()  # fmt: skip
    load_file_into(body, tmp_path)
    for side in (64, 96):
        with torch.no_grad():
            ours = body.forward_features(images(side))
        torch.testing.assert_close(ours, tokens_of(model, images(side)), rtol=EXACT, atol=EXACT)


def test_maps_are_those_of_dinov3s_convolutional_network(tmp_path: Path) -> None:
    model = written(tmp_path, "DINOv3ConvNextModel", hidden_sizes=[8, 16, 32, 64], depths=[1, 2, 1, 1])
    body = ConvNeXt(depths=(1, 2, 1, 1), dims=(8, 16, 32, 64), num_classes=0).eval()
    load_file_into(body, tmp_path)
    with torch.no_grad():
        expected = model(pixel_values=images(64)).pooler_output
        torch.testing.assert_close(body(images(64)), expected, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("program", ["ViTMAEForPreTraining", "Dinov2ForImageClassification", "CLIPModel"])
def test_what_a_larger_model_has_beside_the_encoder_is_left_out(program: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {**TINY, "intermediate_size": 128}
    make: Callable[..., VisionTransformer] = partial(tiny_transformer, init_values=1e-5 if "Dino" in program else None)
    if program == "CLIPModel":
        settings = {
            "vision_config": settings,
            "text_config": {"hidden_size": 16, "num_hidden_layers": 1, "vocab_size": 9},
        }
        make = partial(make, pre_norm=True, act_layer="quick_gelu")
    model, body = written(tmp_path, program, **settings), make()
    load_file_into(body, tmp_path)
    bias = next(value for name, value in model.state_dict().items() if "layernorm.bias" in name)
    assert torch.equal(body.state_dict()["norm.bias"], bias)


def test_old_files_of_torch_and_split_ones_are_read_too(tmp_path: Path) -> None:
    model = written(tmp_path / "whole", "Dinov2Model", **TINY)
    model.save_pretrained(tmp_path / "split", max_shard_size="20KB")
    assert (tmp_path / "split" / "model.safetensors.index.json").is_file()
    (tmp_path / "old").mkdir()
    torch.save(model.state_dict(), tmp_path / "old" / "pytorch_model.bin")
    bodies = []
    for name in ("whole", "split", "old", "whole/model.safetensors"):
        bodies.append(tiny_transformer(init_values=1e-5))
        load_file_into(bodies[-1], tmp_path / name)
    for body in bodies[1:]:
        assert all(torch.equal(value, bodies[0].state_dict()[name]) for name, value in body.state_dict().items())


def test_position_embeddings_are_resampled_to_the_grid(tmp_path: Path) -> None:
    written(tmp_path, "Dinov2Model", **TINY | {"image_size": 112})
    body = tiny_transformer(init_values=1e-5)
    load_file_into(body, tmp_path)
    assert body.pos_embed is not None
    assert body.pos_embed.shape == (1, 17, 32)
    assert float(body.pos_embed.std()) > 0.1  # not what the network began with


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_hidden_layers": 3}, r"14 of its tensors have no place in this encoder, first blocks\.2\."),
        ({"num_hidden_layers": 1}, r"14 tensors are missing or differ in shape, first blocks\.1\."),
        ({"hidden_size": 64}, "tensors are missing or differ in shape, first cls_token|patches are not those"),
        ({"patch_size": 16}, "its patches are not those of this encoder"),
        ({"num_attention_heads": 4}, "config.json says 4 attention heads, this encoder has 2"),
        ({"hidden_act": "quick_gelu"}, "says quick_gelu, this encoder computes GELU; take the encoder with quickgelu"),
    ],
)
def test_a_file_of_another_network_is_refused_in_one_line(settings: dict[str, Any], said: str, tmp_path: Path) -> None:
    written(tmp_path, "Dinov2Model", **TINY | settings)
    with pytest.raises(UsageError, match=said) as caught:
        load_file_into(tiny_transformer(init_values=1e-5), tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_registers_are_never_lost_nor_left_random(tmp_path: Path) -> None:
    written(tmp_path / "with", "Dinov2WithRegistersModel", **TINY)
    written(tmp_path / "without", "Dinov2Model", **TINY)
    with pytest.raises(UsageError, match="another network"):
        load_file_into(tiny_transformer(init_values=1e-5), tmp_path / "with")
    with pytest.raises(UsageError, match=r"missing or differ in shape, first reg_token|another network"):
        load_file_into(tiny_transformer(init_values=1e-5, reg_tokens=4, no_embed_class=True), tmp_path / "without")


NO_BIASES = {"query_bias": False, "value_bias": False}
REAL: dict[str, tuple[str, dict[str, Any]]] = {
    "vit_small_patch14_dinov2": ("Dinov2Model", {"image_size": 518, "patch_size": 14}),
    "vit_small_patch14_reg4_dinov2": ("Dinov2WithRegistersModel", {"image_size": 518, "patch_size": 14}),
    "vit_small_patch16_dinov3": (
        "DINOv3ViTModel",
        {"num_register_tokens": 4, "query_bias": False, "value_bias": False},
    ),
    # transformers' default of 1e-12 is not what Meta's code has, which timm follows
    "vit_base_patch16_224.mae": ("ViTMAEModel", {"mask_ratio": 0.0, "layer_norm_eps": 1e-6}),
    "vit_base_patch16_clip_quickgelu_224": ("CLIPVisionModel", {"patch_size": 16}),
    "vit_base_patch16_siglip_224": ("SiglipVisionModel", {}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_published_architectures_load_from_a_folder_of_transformers(name: str, tmp_path: Path) -> None:
    program, settings = REAL[name]
    if "small" in name:
        settings = settings | {"hidden_size": 384, "num_attention_heads": 6, "intermediate_size": 1536}
    torch.manual_seed(0)
    model = getattr(transformers, program)(getattr(transformers, program).config_class(**settings)).eval()
    model.save_pretrained(tmp_path)
    encoder: Encoder = build_encoder(name, str(tmp_path), pooling="max").eval()
    body: Any = encoder.body
    side = settings.get("image_size", 224)
    with torch.no_grad():
        ours = body.forward_features(images(side))
        torch.testing.assert_close(ours, tokens_of(model, images(side)), rtol=EXACT, atol=EXACT)
        places = encoder.block_maps(images(side))[-1].flatten(2).mT
        torch.testing.assert_close(places, ours[:, body.num_prefix_tokens :])
    told = json.loads((tmp_path / "config.json").read_text())["model_type"]
    assert encoder.origin.source == "file"
    assert bool(encoder.origin.labels) == told.startswith(("clip", "siglip"))
