"""Checkpoints as trainings and authors save them are read; what is none is refused."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from objdisc.errors import UsageError
from objdisc.models.encoder import build_encoder
from objdisc.models.weights import load_file_into

from ..support.tiny_transformer import tiny_transformer


def state_of(body: torch.nn.Module) -> dict[str, Tensor]:
    return {name: torch.rand(value.shape) for name, value in body.state_dict().items()}


def loaded(body: VisionTransformer, state: object, path: Path) -> dict[str, Tensor]:
    torch.save(state, path)
    load_file_into(body, path)
    return dict(body.state_dict())


@pytest.mark.parametrize("wrap", ["plain", "model", "state_dict", "module", "teacher", "classifier"])
def test_a_checkpoint_is_unwrapped(wrap: str, tmp_path: Path) -> None:
    given = state_of(tiny_transformer())
    forms: dict[str, object] = {
        "plain": given,
        "model": {"model": given, "epoch": 3},
        "state_dict": {"state_dict": given},
        "module": {f"module.{name}": value for name, value in given.items()},
        "teacher": {
            "teacher": {f"module.backbone.{n}": v for n, v in given.items()} | {"module.head.0.w": given["norm.bias"]}
        },
        "classifier": given | {"head.weight": torch.zeros(10, 32), "head.bias": torch.zeros(10)},
    }
    found = loaded(tiny_transformer(), forms[wrap], tmp_path / "weights.pth")
    assert all(torch.equal(value, given[name]) for name, value in found.items())


def test_metas_dinov2_has_a_mask_token_and_another_form_of_registers(tmp_path: Path) -> None:
    given = state_of(tiny_transformer(init_values=1e-5)) | {"mask_token": torch.zeros(1, 32)}
    found = loaded(tiny_transformer(init_values=1e-5), given, tmp_path / "dinov2_vits14_pretrain.pth")
    assert all(torch.equal(value, given[name]) for name, value in found.items())
    with_registers = given | {"register_tokens": torch.randn(1, 4, 32)}
    body = tiny_transformer(init_values=1e-5, reg_tokens=4, no_embed_class=True)
    found = loaded(body, with_registers, tmp_path / "dinov2_vits14_reg4_pretrain.pth")
    assert torch.equal(found["reg_token"], with_registers["register_tokens"])
    assert torch.equal(found["pos_embed"], given["pos_embed"][:, 1:])
    assert torch.equal(found["cls_token"], given["cls_token"] + given["pos_embed"][:, :1])


def dinov3(biases: bool) -> Eva:
    return Eva(
        img_size=64, patch_size=16, embed_dim=32, depth=2, num_heads=2, num_classes=0, qkv_bias=biases,
        init_values=1e-5, rope_type="dinov3", use_rot_pos_emb=True, use_abs_pos_emb=False, num_reg_tokens=4,
        use_fc_norm=False, dynamic_img_size=True,
    )  # fmt: skip


def as_meta_writes_dinov3() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return a network's tensors by timm's names, and by Meta's with all that is in their files."""
    own = state_of(dinov3(biases=False))
    names = {name: name.replace("reg_token", "storage_tokens").replace("gamma_", "ls") for name in own}
    theirs = {name + ".gamma" * (".ls" in name): own[key] for key, name in names.items()}
    theirs |= {"mask_token": torch.ones(1, 32), "rope_embed.periods": torch.ones(4)}
    return own, theirs | {f"blocks.{n}.attn.qkv.bias": torch.zeros(96) for n in range(2)}


def test_metas_dinov3_has_other_names_and_biases_that_may_be_0(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own, theirs = as_meta_writes_dinov3()
    for biases in (False, True):
        body = dinov3(biases)
        torch.save(theirs, tmp_path / "dinov3_vits16_pretrain.pth")
        load_file_into(body, tmp_path / "dinov3_vits16_pretrain.pth")
        assert all(torch.equal(body.state_dict()[name], value) for name, value in own.items())
    assert capsys.readouterr().out == ""


def test_biases_that_are_not_0_are_not_dropped(tmp_path: Path) -> None:
    _, theirs = as_meta_writes_dinov3()
    torch.save(theirs | {"blocks.1.attn.qkv.bias": torch.ones(96)}, tmp_path / "dinov3.pth")
    with pytest.raises(UsageError, match="biases of queries and values; take the encoder with qkvb"):
        load_file_into(dinov3(biases=False), tmp_path / "dinov3.pth")
    load_file_into(body := dinov3(biases=True), tmp_path / "dinov3.pth")
    assert torch.equal(body.state_dict()["blocks.1.attn.v_bias"], torch.ones(32))


def test_i_jepas_encoder_lies_beside_its_predictor(tmp_path: Path) -> None:
    body = tiny_transformer(class_token=False, global_pool="avg", fc_norm=False)
    given = state_of(body)
    checkpoint = {"encoder": {f"module.{name}": value for name, value in given.items()}, "predictor": {}, "epoch": 300}
    found = loaded(body, checkpoint, tmp_path / "IN22K-vit.h.14-900e.pth.tar")
    assert all(torch.equal(value, given[name]) for name, value in found.items())


def test_position_embeddings_of_another_grid_are_resampled(tmp_path: Path) -> None:
    given = state_of(tiny_transformer()) | {"pos_embed": torch.ones(1, 1 + 8 * 8, 32)}
    found = loaded(tiny_transformer(), given, tmp_path / "weights.pth")
    torch.testing.assert_close(found["pos_embed"], torch.ones(1, 17, 32))


@pytest.mark.parametrize("change", ["deeper", "bias", "patch", "convolutions", "tokens"])
def test_another_architecture_is_one_line_that_names_the_file(change: str, tmp_path: Path) -> None:
    given = state_of(tiny_transformer())
    if change == "deeper":
        given["blocks.2.norm1.weight"] = torch.ones(32)
    elif change == "bias":
        given["blocks.0.attn.k_bias"] = torch.ones(32)
    elif change == "patch":
        given["patch_embed.proj.weight"] = torch.ones(32, 3, 16, 16)
    elif change == "tokens":
        given["reg_token"] = torch.ones(1, 4, 32)
    else:
        given = state_of(build_encoder("resnet18_3x3:8", "none").body)
    with pytest.raises(UsageError, match=r"^--weights .*weights\.pth: ") as caught:
        loaded(tiny_transformer(), given, tmp_path / "weights.pth")
    assert "\n" not in str(caught.value)


def test_a_deeper_network_of_the_same_family_is_not_cut_off(tmp_path: Path) -> None:
    save_file(state_of(build_encoder("resnet34", "none").body), tmp_path / "resnet34.safetensors")
    with pytest.raises(UsageError, match=r"resnet34\.safetensors: .* no place in this encoder, first layer1\.2\."):
        build_encoder("resnet18", str(tmp_path / "resnet34.safetensors"))


def test_a_folder_without_weights_says_what_it_must_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"must hold model\.safetensors or pytorch_model\.bin"):
        load_file_into(tiny_transformer(), tmp_path)


@pytest.mark.parametrize("index", ["[]", "{", '{"weight_map": 1}'])
def test_a_damaged_index_is_named(index: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(UsageError, match=r"index\.json: not an index of weights files"):
        load_file_into(tiny_transformer(), tmp_path)
