"""How a method is trained, spelled as the flags of torchvision's reference scripts."""

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
        budget_minutes: The training stops after the epoch in which it has taken so long, and the cosine falls to 0
            there instead of at the last epoch; how fast runs go then decides on weights. 0 sets no limit.
        max_objects: The most objects that are trained on. Where there are more, as many are drawn, seeded and evenly
            over the images, with a like share of the background; every object gets a prediction all the same. 0 sets
            no limit.
        batch_size: Patches of a global batch, foreground and background together.
        lr: Peak learning rate.
        encoder_lr_scale: Factor on the learning rate of the encoder.
        optimizer: adamw, sgd, or rmsprop (the k-means memory paper's).
        momentum: Momentum of sgd and rmsprop.
        eps: Constant that adamw and rmsprop add to the denominator; the paper's rmsprop takes 1.0.
        weight_decay: Weight decay, decoupled for adamw; biases and normalisation layers are left out.
        schedule: Course of the learning rate: cosine (after a linear warm-up) or constant.
        warmup: Share of all steps that the learning rate rises in.
        clip_norm: Largest norm of the gradient; 0 never clips.
        accumulation: Batches that one step sums over.
        background: What clustering sees around an object: keep, dim, or blank.
        equalization: How far clustering sees all objects at the same mean brightness and contrast, 0 (as they are
            lit) to 1.
        background_share: Share of background patches in a batch, of methods that learn from background.
        augmentation: How strongly the views of a patch differ.
        affine: How the geometry of the two views differs for methods that compare them pixel by pixel; of
            ``augmentation`` they take jitter and grey alone.
        precision: Number format of the networks: bf16, fp32, or auto (bf16 where the processor has units for it).
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
        """Return what turns patches into the input of a network that is trained like this."""
        return Preprocessing(tuple(encoder.mean), tuple(encoder.std), self.background, self.equalization)
