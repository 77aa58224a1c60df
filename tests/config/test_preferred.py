"""What a method prefers holds where nobody says anything; what anybody says wins."""

from dataclasses import replace
from pathlib import Path

import pytest

from objdisc.config.components import Component
from objdisc.config.parser import compose, dump, load, parse
from objdisc.errors import UsageError
from objdisc.pipeline.options import DiscoverOptions


def options(*words: str) -> DiscoverOptions:
    return parse(DiscoverOptions, words, "objdisc discover")


def test_a_method_brings_the_settings_that_it_prefers() -> None:
    made = options("--method", "scene")
    assert made.objectness == Component("objdisc.objectness.grid.Grid", {"side": 0, "stride": 0, "pad": True})
    assert (made.patches.size, made.training.background, made.training.equalization) == (528, "keep", 0.0)
    plain = options("--method", "classical")
    assert plain.objectness is None
    assert (plain.patches.size, plain.training.background, plain.training.equalization) == (96, "blank", 0.7)


def test_flags_and_files_win_over_it(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("patches: {size: 300}\nbackground: dim\n")
    made = options("--method", "scene", "--config", str(tmp_path / "run.yaml"), "--objectness", "whole")
    assert made.objectness == Component("objdisc.objectness.whole.Whole", {})
    assert (made.patches.size, made.training.background, made.training.equalization) == (300, "dim", 0.0)


def test_a_written_configuration_is_read_as_it_was(tmp_path: Path) -> None:
    for made in (options("--method", "scene", "--patches.size", "64"), options("--scene", "none"), options()):
        (tmp_path / "config.yaml").write_text(dump(made))
        assert load(DiscoverOptions, tmp_path / "config.yaml") == made


def test_a_program_gets_the_same_as_the_command_line() -> None:
    assert compose(DiscoverOptions, None, {"method": "scene"}) == options("--method", "scene")
    assert compose(DiscoverOptions, None, {"method": "scene", "patches": {"size": 64}}).patches.size == 64


def test_settings_of_the_scene_need_no_name_and_change_nothing_else() -> None:
    made = options("--scene.overclusters", "80")
    assert made.scene is not None
    assert (made.scene.name, made.scene.init_args["overclusters"]) == ("scene", 80)
    assert (made.patches.size, made.objectness, made.method.name) == (224, None, "kmeans_memory")


def test_the_scene_may_be_none_and_the_method_may_not() -> None:
    none = options("--scene", "none").scene
    assert none is not None
    assert none.is_none
    assert options("--scene", "auto").scene is None
    with pytest.raises(UsageError, match="no Method is called 'none'"):
        options("--method", "none")


def test_what_a_method_prefers_may_hang_on_what_is_given(caplog: pytest.LogCaptureFixture) -> None:
    """An encoder without weights learns under the settings that CIFAR-10 was published with."""
    with caplog.at_level("INFO", logger="objdisc"):
        scratch = options(
            "--weights", "none", "--num-clusters", "2", "--foreground", "automobile,dog", "--split", "test"
        )
    published = load(DiscoverOptions, Path(__file__).parents[2] / "configs" / "cifar10_kmeans_memory.yaml")
    assert replace(scratch, objectness=published.objectness) == published
    assert "defaults of KMeansMemory: encoder nin, patches.size 24, epochs 16" in caplog.text
    mine = options("--weights", "none", "--encoder", "jule16", "--method.init", "ward", "--epochs", "2")
    assert (mine.encoder, mine.method.init_args["init"], mine.training.epochs) == ("jule16", "ward", 2)
    assert mine.method.init_args["projection"] == "batchnorm"
    pretrained = options()
    assert (pretrained.encoder, pretrained.patches.size, pretrained.training.epochs) == (
        "tf_efficientnet_lite0",
        224,
        3,
    )


def test_a_start_from_another_run_keeps_the_plain_settings() -> None:
    made = options("--weights", "none", "--init-from", "runs/before")
    assert (made.encoder, made.patches.size, made.training.epochs) == ("tf_efficientnet_lite0", 96, 5)


@pytest.mark.parametrize("name", ["camvid", "idd", "toycity"])
def test_published_figures_of_objects_are_those_of_the_defaults(name: str) -> None:
    """The config of an experiment says which it is; it cures nothing."""
    published = load(DiscoverOptions, Path(__file__).parents[2] / "configs" / f"{name}_kmeans_memory.yaml")
    plain = options("--num-clusters", str(published.num_clusters))
    assert replace(published, objectness=plain.objectness, baseline=plain.baseline) == plain
