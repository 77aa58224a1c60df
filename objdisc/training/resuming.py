"""Whether an interrupted training can be continued, and whether anything is left to do."""

from objdisc.errors import UsageError
from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import Method
from objdisc.training.checkpoint import load_checkpoint, restore
from objdisc.training.optimization import make_optimizer, make_scheduler
from objdisc.training.options import TrainerOptions


def has_ended(run: Run, options: TrainerOptions) -> bool:
    """Whether a run's training has ended according to its log; a budget may have ended it early."""
    epochs = [int(record["epoch"]) for record in read_metrics_log(run.metrics_log) if "epoch" in record]
    return max(epochs, default=0) >= options.epochs or options.budget_minutes > 0


def check_checkpoint(method: Method, run: Run, options: TrainerOptions, num_samples: int) -> None:
    """Check that a training can continue from a run's checkpoint, if it has one; nothing is written.

    Args:
        method: A method for this check alone, which cannot be used afterwards.
        run: The run.
        options: The options of the training.
        num_samples: Number of rows of its patch store.

    Raises:
        UsageError: The checkpoint is damaged, or of another training.
    """
    checkpoint = load_checkpoint(run)
    if checkpoint is None and method.trains and run.weights.is_file() and not has_ended(run, options):
        raise UsageError(f"{run.last_checkpoint}: missing, so this training cannot be continued; begin a new run.")
    if checkpoint is not None:
        method.setup(num_samples)
        optimizer = make_optimizer(method, options)
        scheduler = make_scheduler(optimizer, options, lambda: 1)
        restore(run, checkpoint, {"method": method, "optimizer": optimizer, "scheduler": scheduler})


def is_over(run: Run, options: TrainerOptions) -> bool:
    """Whether a run has its final weights, and no checkpoint left to continue from."""
    return run.weights.is_file() and not run.last_checkpoint.is_file() and has_ended(run, options)
