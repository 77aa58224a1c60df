"""Fine-tuning a run's network with shares of the labels, to measure its value as a start."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from objdisc.commands.supervised.labelled import (
    LabelledPatches,
    SupervisedEvaluation,
    SupervisedOptions,
    class_numbers,
    open_labelled,
    training_options,
    write_points,
)
from objdisc.config.components import flag_only, flat, positional
from objdisc.errors import UsageError
from objdisc.inference.predict import predict
from objdisc.io.run import Run
from objdisc.io.staging import staged
from objdisc.methods.base import EpochPlan, Method, Ranks
from objdisc.models.encoder import Encoder
from objdisc.pipeline.folders import beside, result_folder
from objdisc.pipeline.loading import LoadedRun, load_run
from objdisc.pipeline.options import build_method
from objdisc.training.trainer import fit
from objdisc.types import Batch, Prediction

log = logging.getLogger("objdisc")


@dataclass(frozen=True)
class FinetuneOptions:
    """Train a classifier on top of a run's network, together with the network, on shares of the labels.

    Labels of the training split train this classifier and a copy of the network; the run stays as it is. Patches are
    augmented as in the run. The last epoch counts: nothing is chosen by the labels of the scored split.

    Attributes:
        run: Folder of a finished run.
        shares: Shares of the training split's labels, separated by commas.
        epochs: Passes over as many patches as the training split has objects, for any share: every share gets the same
            number of steps.
        lr: Peak learning rate of the classifier.
        encoder_lr_scale: Factor on the learning rate for the network; 0 freezes the network.
        weight_decay: Weight decay of classifier and network.
        hidden: Width of the classifier's hidden layer; 0 for none.
        random: Also train the same from random weights of the network.
        allow_import: Allow the run's settings to name classes from outside the package, whose modules are then run.
        evaluation: Seed, splits, files and hardware; ``batch_size`` is also that of the training.
    """

    run: Path = positional()
    shares: tuple[float, ...] = (1.0, 0.1, 0.01)
    epochs: int = 5
    lr: float = 1e-3
    encoder_lr_scale: float = 0.1
    weight_decay: float = 1e-4
    hidden: int = 256
    random: bool = True
    allow_import: bool = flag_only()
    evaluation: SupervisedOptions = flat(SupervisedOptions)


@dataclass(frozen=True)
class FinetunedShare:
    """The result for one share of the labels.

    Attributes:
        share: Share of the training split's labels, in (0, 1].
        labelled: Number of patches that were trained on.
        accuracy: Accuracy on the other patches, in [0, 1].
        accuracy_random: Accuracy from random weights; None if it was not asked for.
    """

    share: float
    labelled: int
    accuracy: float
    accuracy_random: float | None = None


class LabelledClassifier(Method):
    """A classifier with one hidden layer on a network; the only ``Method`` that gets class labels.

    ``--method`` cannot find it: only ``finetune`` makes one.

    Args:
        encoder: Network to start from, which is trained with the classifier.
        num_classes: C, at least 2.
        rows: ``(n,)`` rows of the store that are labelled.
        labels: ``(n,)`` their classes in [0, C).
        num_drawn: Number of rows in an epoch.
        prepare: Function of images, and of whether they are for training, that returns the network's input.
        hidden: Width of the hidden layer; 0 for none.
    """

    def __init__(
        self,
        encoder: Encoder,
        num_classes: int,
        *,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        num_drawn: int,
        prepare: Callable[[Tensor, bool], Tensor],
        hidden: int = 256,
    ) -> None:
        super().__init__(encoder, num_classes)
        self.prepare, self.num_drawn = prepare, num_drawn
        wide = encoder.num_features
        layers = [nn.Linear(wide, hidden), nn.ReLU(inplace=True)] if hidden else []
        self.head = nn.Sequential(*layers, nn.Linear(hidden or wide, num_classes))
        self.rows, self.labels = rows, labels
        self.register_buffer("targets", torch.full((int(rows.max()) + 1,), -1), persistent=False)
        self.get_buffer("targets")[torch.from_numpy(rows)] = torch.from_numpy(labels)

    def begin_epoch(self, epoch: int, ranks: Ranks) -> EpochPlan:
        """Draw labelled rows, all equally often up to a difference of one."""
        rounds = -(-self.num_drawn // len(self.rows))
        order = np.concatenate([ranks.generator.permutation(self.rows) for _ in range(rounds)])
        return EpochPlan(rows=torch.from_numpy(order[: self.num_drawn]))

    def training_step(self, batch: Batch, ranks: Ranks) -> dict[str, Tensor]:
        """Return the cross-entropy with the classes."""
        images, rows = batch.views[0][batch.foreground], batch.index[batch.foreground]
        logits = self._logits(self._features(images))
        return {"loss": F.cross_entropy(logits, self.get_buffer("targets")[rows])}

    def infer(self, images: Tensor, context: Tensor) -> Prediction:
        """Return the probabilities ``(B, C, 1, 1)`` of the classes, and the network's features ``(B, F)``."""
        features = self._features(images)
        return Prediction(torch.softmax(self._logits(features), dim=1)[:, :, None, None], features)

    def _features(self, images: Tensor) -> Tensor:
        features: Tensor = self.encoder(self.prepare(images, self.training)).float()
        return features

    def _logits(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            logits: Tensor = self.head(features)
        return logits


def finetune(options: FinetuneOptions) -> SupervisedEvaluation[FinetunedShare]:
    """Write accuracy over shares of labels, as a table and a picture.

    Raises:
        UsageError: The run is not finished, its data has no labels, trained and scored splits are the same and none of
            it is held out, or a setting is out of range.
    """
    if options.hidden < 0 or options.encoder_lr_scale < 0 or not options.shares:
        raise UsageError("finetune: --hidden and --encoder-lr-scale start at 0, and at least one of --shares is needed")
    loaded = load_run(options.run, allow_import=options.allow_import, device=options.evaluation.device)
    usual = beside(loaded.run, "finetune")
    with result_folder("finetune", loaded, options.evaluation.output_dir, usual) as folder, staged(folder) as new:
        found = _finetune(loaded, options, folder, new)
    return SupervisedEvaluation(found, list(map(_line, found)), folder)


def _finetune(loaded: LoadedRun, options: FinetuneOptions, folder: Path, new: Path) -> list[FinetunedShare]:
    """Train with the patches in one folder, and write to another."""
    fitted, scored = open_labelled(loaded, options.evaluation, folder)
    found = []
    for share in options.shares:
        few = fitted.share(share, options.evaluation.seed)
        start = load_run(options.run, allow_import=options.allow_import).method
        accuracy = _trained(loaded, start, few, scored, options, new / f"share_{share:g}")
        random = None
        if options.random:
            start = build_method(loaded.options, weights="none")
            random = _trained(loaded, start, few, scored, options, new / f"share_{share:g}_random")
        found.append(FinetunedShare(share, len(few.rows), accuracy, random))
        log.info("accuracy with%s", _line(found[-1]))
    series = {"this run": [(float(one.labelled), one.accuracy) for one in found]}
    if options.random:
        series["random weights"] = [(float(one.labelled), one.accuracy_random or 0.0) for one in found]
    write_points(new, "finetune", found, series, "labels (logarithmic)")
    return found


def _line(one: FinetunedShare) -> str:
    beside = "" if one.accuracy_random is None else f"  from random weights {one.accuracy_random:.4f}"
    return f"{one.labelled:7} labels ({one.share:g})  {one.accuracy:.4f}{beside}"


def _trained(
    loaded: LoadedRun,
    start: Method,
    few: LabelledPatches,
    scored: LabelledPatches,
    options: FinetuneOptions,
    folder: Path,
) -> float:
    """Train on some labels from a network, and return the accuracy on the other patches."""
    labels, truth, num_classes = class_numbers(few.labels, scored.labels)
    if num_classes < 2:
        raise UsageError(f"{len(few.rows)} labelled patches hold a single class; give a larger share of the labels")
    torch.manual_seed(options.evaluation.seed)

    def prepare(images: Tensor, training: bool) -> Tensor:
        start.training = training  # of the method alone: its encoder's mode is the classifier's to set
        return start.encoder_input(images)

    classifier = LabelledClassifier(
        start.encoder,
        num_classes,
        rows=few.rows,
        labels=labels,
        num_drawn=int(few.store.foreground.sum()),
        prepare=prepare,
        hidden=options.hidden,
    )
    # whatever the run's own method held fast
    classifier.encoder.requires_grad_(options.encoder_lr_scale > 0)
    training = replace(
        training_options(loaded, options.evaluation),
        seed=options.evaluation.seed,
        epochs=options.epochs,
        lr=options.lr,
        encoder_lr_scale=options.encoder_lr_scale or 1.0,
        weight_decay=options.weight_decay,
        optimizer="adamw",
        schedule="cosine",
        budget_minutes=0.0,
    )
    fit(classifier, few.store, Run.create(folder), training)
    predicted = predict(classifier, scored.store, training, scored.rows.tolist()).probabilities.argmax(axis=1)
    return float(np.mean(predicted == truth))
