"""``check_method``: every method of the package passes, and one that breaks a rule does not."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from objdisc import methods
from objdisc.methods.base import EpochPlan, Method, Ranks, Views
from objdisc.models.encoder import Encoder
from objdisc.testing import check_method
from objdisc.types import Batch, Prediction

ARGUMENTS: dict[str, dict[str, Any]] = {
    "DeepCluster": {"overclusters": 8},
    "DeepClusterV2": {"overclusters": 8},
    "DenseIIC": {"half_t": 1},
    "JULE": {"period_epochs": 1},
    "SCAN": {"neighbors": 3},
}


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in dir(methods) if name != "Grown"])  # which no training makes
def test_every_method_holds_what_it_must(name: str) -> None:
    check_method(getattr(methods, name), **ARGUMENTS.get(name, {}))


class Linear(Method):
    """Brings two views of an image to the same softmax; a class of a user's own."""

    views = Views.AUGMENTED_PAIR

    def __init__(self, encoder: Encoder, num_clusters: int) -> None:
        super().__init__(encoder, num_clusters)
        self.head = nn.Linear(encoder.num_features, num_clusters)

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        first, second = (self.head(self.encoder(view)) for view in batch.views)
        return {"loss": (first - second).square().mean()}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        features = self.encoder(images).float()
        return Prediction(torch.softmax(self.head(features).float(), dim=1)[:, :, None, None], features)


class Forgetful(Linear):
    """Counts its steps outside of any buffer, so that a resumed training goes another way."""

    steps = 0

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        self.steps += 1
        return {"loss": self.steps * super().training_step(batch, ranks)["loss"]}


class Exploding(Linear):
    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        return super().training_step(batch, ranks) | {"term": torch.tensor(torch.inf)}


class Unnormalized(Linear):
    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        said = super().infer(images, context)
        return Prediction(2 * said.probabilities, said.embedding)


class Moody(Linear):
    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        self.head.weight.data += torch.rand(1, generator=torch.Generator().manual_seed(torch.seed() % 2**31))
        return EpochPlan()


class Careless(Linear):
    """Draws at the end what a resumed training draws otherwise."""

    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        self.head.weight += torch.rand(1)


class Careful(Linear):
    @torch.no_grad()
    def finish(self, ranks: Ranks) -> None:
        self.head.weight += float(ranks.generator.random())


@pytest.mark.ddp
@pytest.mark.slow
def test_what_the_generator_gives_may_be_random_at_the_end() -> None:
    check_method(Careful)


@pytest.mark.ddp
@pytest.mark.slow
def test_a_class_outside_the_package_passes_by_its_import_path() -> None:
    check_method(f"{__name__}.Linear" if "." in __name__ else Linear)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Forgetful, "resumed"),
        (Exploding, "not finite"),
        (Unnormalized, "sum to 1"),
        (Moody, "one seed differ"),
        (Careless, "stopped in finish and resumed"),
    ],
)
def test_a_broken_rule_is_named(broken: type[Method], said: str) -> None:
    with pytest.raises((AssertionError, Exception), match=said):
        check_method(broken)


def test_a_module_that_reads_labels_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "peeping.py").write_text(
        "from objdisc.evaluation.counts import patch_labels\n"
        "from objdisc.methods.simclr import SimCLR\n"
        "class Peeping(SimCLR): pass\n",
        encoding="utf-8",
    )
    with pytest.raises(AssertionError, match=r"imports objdisc\.evaluation\.counts, which reads class labels"):
        check_method("peeping.Peeping")
