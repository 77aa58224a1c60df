"""Renaming of vision transformers' weights from Hugging Face transformers to timm.

Known are the weights of Dinov2Model, Dinov2WithRegistersModel, DINOv3ViTModel, DINOv3ConvNextModel, CLIPVisionModel,
SiglipVisionModel, ViTModel, ViTMAEModel and IJepaModel, alone or as a part of a larger model.
"""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_PREFIXES = ("vision_model.", "dinov2.", "dinov2_with_registers.", "dinov3_vit.", "vit.", "ijepa.", "model.")
_MARKS = (
    "embeddings.patch_embeddings.projection.weight",
    "embeddings.patch_embeddings.weight",
    "embeddings.patch_embedding.weight",
    "stages.0.layers.0.depthwise_conv.weight",
)
_NOT_OF_THE_ENCODER = ("embeddings.mask_token", "pooler.", "classifier.", "decoder.", "embeddings.position_ids")
_RULES: tuple[tuple[str, str], ...] = (
    (r"embeddings\.patch_embeddings?\.(projection\.)?", "patch_embed.proj."),
    (r"embeddings\.(cls_token|class_embedding)$", "cls_token"),
    (r"embeddings\.(position_embeddings|position_embedding\.weight)$", "pos_embed"),
    (r"embeddings\.register_tokens$", "reg_token"),
    (r"pre_layrnorm\.", "norm_pre."),
    (r"(post_layernorm|layernorm|norm)\.", "norm."),
    (r"(encoder\.)?layers?\.(\d+)\.", r"blocks.\2."),
    (r"head\.probe$", "attn_pool.latent"),
    (r"head\.attention\.in_proj_", "attn_pool.qkv."),
    (r"head\.attention\.out_proj\.", "attn_pool.proj."),
    (r"head\.layernorm\.", "attn_pool.norm."),
    (r"head\.mlp\.", "attn_pool.mlp."),
    (r"layer_norm\.", "head.norm."),  # from here on, of a ConvNeXt
    (r"stages\.0\.downsample_layers\.", "stem."),
    (r"stages\.(\d+)\.downsample_layers\.", r"stages.\1.downsample."),
    (r"stages\.(\d+)\.layers\.(\d+)\.", r"stages.\1.blocks.\2."),
)
"""Rules for the start of a name; the first that fits is applied."""
_INSIDE_BLOCKS: tuple[tuple[str, str], ...] = (
    (r"(attention\.attention|self_attn|attention)\.(q|k|v)(uery|ey|alue|_proj)\.", r"attn.\2."),
    (r"(attention\.output\.dense|self_attn\.out_proj|attention\.o_proj)\.", "attn.proj."),
    (r"(layer_norm1|layernorm_before)\.", "norm1."),
    (r"(layer_norm2|layernorm_after)\.", "norm2."),
    (r"layer_scale([12])\.lambda1$", r"ls\1.gamma"),
    (r"(intermediate\.dense|mlp\.up_proj|mlp\.weights_in)\.", "mlp.fc1."),
    (r"(output\.dense|mlp\.down_proj|mlp\.weights_out)\.", "mlp.fc2."),
    (r"mlp\.gate_proj\.", "mlp.fc1_g."),
    (r"depthwise_conv\.", "conv_dw."),
    (r"layer_norm\.", "norm."),
    (r"pointwise_conv([12])\.", r"mlp.fc\1."),
)
"""Rules for the part after the number of a block; the first that fits is applied."""
_BLOCK = re.compile(r"((?:stages\.\d+\.)?blocks\.\d+\.)(.*)")


def is_of_transformers(state: Mapping[str, Tensor]) -> bool:
    """Whether tensors have transformers' names."""
    return any(mark in part for part in _parts(state) for mark in _MARKS)


def to_timm(state: Mapping[str, Tensor], body: Any) -> dict[str, Tensor]:
    """Rename transformers' tensors, and merge or split those that timm has in another form.

    Args:
        state: Tensors by transformers' names.
        body: The timm network that they are for, on which some of the forms depend.

    Returns:
        Tensors by timm's names. Tensors without a place in the network are kept under some name, so that none is lost
            silently.
    """
    part = next(part for part in _parts(state) if any(mark in part for mark in _MARKS))
    renamed = {_renamed(name): value for name, value in part.items() if not name.startswith(_NOT_OF_THE_ENCODER)}
    _embeddings(renamed, body)
    own = body.state_dict()
    for start in [name.removesuffix("q.weight") for name in renamed if name.endswith(".attn.q.weight")]:
        _join_qkv(renamed, start, own)
    for name in [name for name in renamed if ".mlp.fc1_g." in name]:
        renamed[name.replace("fc1_g", "fc1_x")] = renamed.pop(name.replace("fc1_g", "fc1"))
    for name in [name for name in renamed if re.search(r"\.ls[12]\.gamma$", name) and name not in own]:
        renamed[re.sub(r"ls([12])\.gamma$", r"gamma_\1", name)] = renamed.pop(name)  # as the networks of EVA call it
    _split_pool(renamed, own)
    return renamed


def _parts(state: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the tensors under each prefix that a larger model may have, without the prefix, and last all tensors."""
    starts = [prefix for prefix in _PREFIXES if any(name.startswith(prefix) for name in state)]
    inside = [{n.removeprefix(start): v for n, v in state.items() if n.startswith(start)} for start in starts]
    # the DINOv3 ConvNeXt has its last normalisation beside the prefix of all others
    beside = {name: value for name, value in state.items() if name.startswith("layer_norm.")}
    return [*({**part, **beside} for part in inside), dict(state)]


def _renamed(name: str) -> str:
    name = next((re.sub(old, new, name, count=1) for old, new in _RULES if re.match(old, name)), name)
    found = _BLOCK.fullmatch(name)
    if found is None:
        return name
    block, rest = found.groups()
    return block + next((re.sub(old, new, rest, count=1) for old, new in _INSIDE_BLOCKS if re.match(old, rest)), rest)


def _embeddings(state: dict[str, Tensor], body: Any) -> None:
    """Bring class token, registers and position embeddings into timm's form ``(1, tokens, F)``."""
    for name in ("cls_token", "pos_embed"):
        if name in state:
            state[name] = state[name].reshape(1, -1, state[name].shape[-1])
    if "reg_token" in state and state["reg_token"].shape[1] == 0:
        del state["reg_token"]
    if getattr(body, "no_embed_class", False) and {"cls_token", "pos_embed"} <= set(state):
        # there, the class token carries its position, and the embeddings are those of the patches alone
        state["cls_token"] = state["cls_token"] + state["pos_embed"][:, :1]
        state["pos_embed"] = state["pos_embed"][:, 1:]


def _join_qkv(state: dict[str, Tensor], start: str, own: Mapping[str, Tensor]) -> None:
    """Merge the projections to query, key and value, which are one matrix in timm."""
    state[f"{start}qkv.weight"] = torch.cat([state.pop(f"{start}{part}.weight") for part in "qkv"])
    biases = {part: state.pop(f"{start}{part}.bias") for part in "qkv" if f"{start}{part}.bias" in state}
    if len(biases) == 3:
        state[f"{start}qkv.bias"] = torch.cat([biases[part] for part in "qkv"])
        return
    for (
        part,
        bias,
    ) in biases.items():  # DINOv3 has none for the key; where they are 0, networks of timm have none at all
        if bias.any() or f"{start}{part}_bias" in own:
            state[f"{start}{part}_bias"] = bias


def _split_pool(state: dict[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Split the projections of SigLIP's attention pooling, or drop the pooling if the network has another."""
    for name in [name for name in state if name.startswith("attn_pool.")]:
        value = state.pop(name)
        if "attn_pool.latent" not in own:
            continue
        if ".qkv." in name:
            size = len(value) // 3
            state[name.replace("qkv", "q")], state[name.replace("qkv", "kv")] = value[:size], value[size:]
        else:
            state[name] = value
