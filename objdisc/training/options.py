"""How a method is trained, with the flags of torchvision's reference scripts."""

from dataclasses import dataclass, field
from typing import Literal

from objdisc.augmentation.affine import Affine
from objdisc.augmentation.preprocessing import Background, Preprocessing
from objdisc.augmentation.views import Augmentation
from objdisc.errors import UsageError
from objdisc.models.encoder import Encoder


@dataclass(frozen=True)
class TrainerOptions:
    """How a method is trained.

    Attributes:
        epochs: Passes over the foreground patches; 0 only initialises the method.
        budget_minutes: Minutes after which the training stops at the end of an epoch; the cosine schedule then falls to
            0 there. Weights then depend on the speed of the machine. 0 sets no limit.
        max_objects: Most objects to train on. If there are more, a random sample is drawn evenly over the images, with
            the same share of the background; every object still gets a prediction. 0 sets no limit.
        batch_size: Patches of a global batch, foreground and background together.
        lr: Peak learning rate.
        encoder_lr_scale: Factor on the learning rate of the encoder.
        optimizer: adamw, sgd, or rmsprop (the k-means memory paper's).
        momentum: Momentum of sgd and rmsprop.
        eps: Constant that adamw and rmsprop add to the denominator; the paper's rmsprop takes 1.0.
        weight_decay: Weight decay, decoupled for adamw; biases and normalisation layers are left out.
        schedule: Schedule of the learning rate: cosine (after a linear warm-up) or constant.
        warmup: Share of all steps in which the learning rate rises.
        clip_norm: Largest norm of the gradient; 0 never clips.
        accumulation: Number of batches whose gradients one step sums.
        background: How clustering sees the background of an object: keep, dim, or blank.
        equalization: How far all objects are brought to the same mean brightness and contrast for clustering, from 0
            (not at all) to 1.
        background_share: Share of background patches in a batch, for methods that learn from background.
        augmentation: How strongly the views of a patch differ.
        affine: How the geometry of the two views differs for methods that compare them pixel by pixel; they use only
            jitter and grey of ``augmentation``.
        precision: Number format of the networks: bf16, fp32, or auto (bf16 if the processor has units for it).
        device: Where the networks run: auto, cpu, cuda, or mps.
        workers: Processes that load data; 0 loads in the main one.
        seed: Random seed for weights, order, augmentation and clusterings.
    """

    epochs: int = 5
    budget_minutes: float = 0.0
    max_objects: int = 100_000
    batch_size: int = 128
    lr: float = 1e-3
    encoder_lr_scale: float = 0.1
    optimizer: Literal["adamw", "sgd", "rmsprop"] = "adamw"
    momentum: float = 0.9
    eps: float = 1e-8
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.1
    clip_norm: float = 1.0
    accumulation: int = 1
    background: Background = "blank"
    equalization: float = 0.7
    background_share: float = 0.5
    augmentation: Augmentation = field(default_factory=Augmentation)
    affine: Affine = field(default_factory=Affine)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    device: str = "auto"
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges.

        Raises:
            UsageError: A value that no training can use.
        """
        if self.epochs < 0 or self.batch_size < 2 or self.accumulation < 1 or self.workers < 0 or self.seed < 0:
            raise UsageError(
                "training: --epochs, --workers and --seed must be at least 0, --batch-size 2, --accumulation 1"
            )
        if self.max_objects < 0 or self.max_objects == 1:
            raise UsageError(f"--max-objects {self.max_objects}: must be at least 2, or 0 for no limit")
        if self.budget_minutes < 0:
            raise UsageError(f"--budget-minutes {self.budget_minutes}: must be above 0, or 0 for no limit")
        if not 0 <= self.equalization <= 1:
            raise UsageError(f"--equalization {self.equalization}: must be between 0 and 1")
        if not 0 <= self.background_share < 1:
            raise UsageError(f"--background-share {self.background_share}: must be at least 0 and below 1")
        if self.lr <= 0 or self.warmup < 0 or self.warmup > 1:
            raise UsageError("training: --lr must be above 0, --warmup between 0 and 1")

    def preprocessing(self, encoder: Encoder) -> Preprocessing:
        """Return the preprocessing of patches for a network that is trained with these options."""
        return Preprocessing(tuple(encoder.mean), tuple(encoder.std), self.background, self.equalization)
