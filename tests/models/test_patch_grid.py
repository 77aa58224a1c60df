"""Transformers take images of any size; features and maps are made of the tokens that they say."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F

from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder, build_encoder

TINY = "vit_tiny_patch16_224"
REAL = [
    "vit_small_patch14_dinov2.lvd142m",
    "vit_small_patch14_reg4_dinov2.lvd142m",
    "vit_small_patch16_dinov3.lvd1689m",
    "convnext_tiny.dinov3_lvd1689m",
    "vit_base_patch16_224.mae",
    "vit_base_patch16_clip_224.openai",
    "vit_base_patch16_siglip_224.webli",
    "swin_tiny_patch4_window7_224.ms_in1k",
    "beit_base_patch16_224",
    "mixer_b16_224",
]


def encoder_of(name: str = TINY, pooling: str = "avg") -> Encoder:
    torch.manual_seed(0)
    chosen: dict[str, Any] = {"pooling": pooling}
    return build_encoder(name, "none", **chosen).eval()


def images(height: int, width: int) -> Tensor:
    return torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1)) - 0.5


@torch.no_grad()
def features(encoder: Encoder, seen: Tensor) -> Tensor:
    found: Tensor = encoder(seen)
    return found


def tokens_of(body: Any, seen: Tensor) -> Tensor:
    tokens: Tensor = body.forward_features(seen)
    return tokens


def test_features_are_the_tokens_that_pooling_names() -> None:
    token, mean, both = (encoder_of(pooling=pooling) for pooling in ("token", "avg", "token+avg"))
    oracle = timm.create_model(TINY, num_classes=0).eval()
    oracle.load_state_dict(token.body.state_dict())
    seen = images(224, 224)
    with torch.no_grad():
        tokens = tokens_of(oracle, seen)
    torch.testing.assert_close(features(token, seen), tokens[:, 0])
    torch.testing.assert_close(features(mean, seen), tokens[:, 1:].mean(dim=1))
    torch.testing.assert_close(features(both, seen), torch.cat([tokens[:, 0], tokens[:, 1:].mean(dim=1)], dim=1))
    assert (token.num_features, mean.num_features, both.num_features) == (192, 192, 384)


@pytest.mark.parametrize("size", [(48, 48), (96, 96), (128, 160), (100, 75)])
def test_images_of_any_size_give_features_and_one_map_a_block(size: tuple[int, int]) -> None:
    encoder = encoder_of(pooling="token+avg")
    assert features(encoder, images(*size)).shape == (2, 384)
    with torch.no_grad():
        maps = encoder.block_maps(images(*size))
        last = encoder.feature_map(images(*size), 16)
    assert [found.shape for found in maps] == [(2, 192, -(-size[0] // 16), -(-size[1] // 16))] * 12
    assert torch.equal(last, maps[-1])


def test_maps_are_the_normalised_patch_tokens_at_their_places() -> None:
    encoder = encoder_of()
    seen = images(64, 96)
    with torch.no_grad():
        found, tokens = encoder.block_maps(seen)[-1], tokens_of(encoder.body, seen)
    torch.testing.assert_close(found.flatten(2).mT, tokens[:, 1:])


def test_the_map_of_a_padded_image_covers_the_image_alone() -> None:
    """A map that says where it is says so of the image, not of the image and its padding."""
    grid = encoder_of().grid
    assert grid is not None

    class Places(torch.nn.Module):
        """Its map holds the x of each patch's centre, in pixels."""

        def forward_intermediates(self, seen: Tensor, **_: object) -> list[Tensor]:
            x = torch.arange(seen.shape[3], dtype=torch.float32).expand(1, 1, seen.shape[2], -1) + 0.5
            return [F.avg_pool2d(x, 16)]

    (found,) = grid.maps(Places(), images(40, 70))
    assert found.shape == (1, 1, 3, 5)
    expected = (torch.arange(5) + 0.5) * 70 / 5  # centres of 5 cells over 70 pixels
    inside = expected >= 8  # left of the first patch's centre there is nothing to interpolate with
    torch.testing.assert_close(found[0, 0, 1][inside], expected[inside])
    assert found[0, 0, 1, 0] == 8


def test_padding_is_the_mean_colour_below_and_to_the_right() -> None:
    encoder = encoder_of()
    seen = images(90, 100)
    torch.testing.assert_close(features(encoder, seen), features(encoder, F.pad(seen, (0, 12, 0, 6))))


def test_a_network_of_one_size_sees_images_scaled_to_it() -> None:
    encoder = encoder_of("mixer_s32_224", "max")
    larger = F.interpolate(images(96, 96), (224, 224), mode="bicubic", align_corners=False)
    torch.testing.assert_close(features(encoder, images(96, 96)), features(encoder, larger))


def test_the_seed_gives_a_transformer_the_weights_that_timm_gives_it() -> None:
    torch.manual_seed(0)
    plain = timm.create_model(TINY, num_classes=0).state_dict()
    assert all(torch.equal(value, plain[name]) for name, value in encoder_of().body.state_dict().items())


def test_a_stride_that_no_block_has_is_one_line_with_the_strides() -> None:
    with pytest.raises(UsageError, match=r"--method\.stride 8: the encoder's maps have strides of 16; raise it"):
        encoder_of().feature_map(images(96, 96), 8)


@pytest.mark.parametrize("name", ["resnet18", "nin", "tu-resnet18", "vit_base_patch16_siglip_224"])
def test_a_class_token_that_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"--pooling token: {name} has no class token; take avg or max"):
        encoder_of(name, "token")


def test_a_tag_that_timm_does_not_know_is_refused_with_those_that_it_knows() -> None:
    with pytest.raises(UsageError, match=r"no weights lvd of vit_small_patch14_dinov2; it has lvd142m"):
        encoder_of("vit_small_patch14_dinov2.lvd")


@pytest.mark.slow
@pytest.mark.parametrize("name", REAL)
def test_published_architectures_take_any_size(name: str) -> None:
    encoder = encoder_of(name, "max")
    for size in ((96, 96), (128, 160), (224, 224)):
        assert features(encoder, images(*size)).shape == (2, encoder.num_features)
        with torch.no_grad():
            maps = encoder.block_maps(images(*size))
        if encoder.grid is not None and encoder.grid.patch is not None and encoder.grid.has_tokens:
            grid = tuple(-(-side // patch) for side, patch in zip(size, encoder.grid.patch, strict=True))
            assert {found.shape[2:] for found in maps} == {grid}


@pytest.mark.slow
def test_i_jepas_network_has_no_class_token_and_averages() -> None:
    with torch.device("meta"):  # it is 2.5 GB
        encoder = build_encoder("vit_huge_patch14_gap_224.in22k_ijepa", "none")
        assert encoder.eval()(torch.zeros(1, 3, 98, 98)).shape == (1, 1280)
