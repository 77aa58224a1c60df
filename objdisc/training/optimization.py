"""The optimiser of a training and the schedule of its learning rate, as the options ask for them."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn
from torch.optim import SGD, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR

from objdisc.training.options import TrainerOptions


def make_optimizer(method: nn.Module, options: TrainerOptions) -> Optimizer:
    """Build the optimiser with groups for encoder and rest, with and without weight decay.

    Args:
        method: The method, whose parameters with gradients are trained.
        options: The optimiser and its hyperparameters.
    """
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            lr = options.lr * (options.encoder_lr_scale if name.startswith("encoder.") else 1)
            decay = options.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((lr, decay), []).append(parameter)
    listed: list[dict[str, Any]] = [
        {"params": parameters, "lr": lr, "weight_decay": decay} for (lr, decay), parameters in groups.items()
    ]
    if options.optimizer == "sgd":
        return SGD(listed, momentum=options.momentum)
    if options.optimizer == "rmsprop":
        return RMSprop(listed, alpha=0.9, momentum=options.momentum, eps=options.eps)
    return AdamW(listed, eps=options.eps)


def make_scheduler(optimizer: Optimizer, options: TrainerOptions, total_steps: Callable[[], int]) -> LambdaLR:
    """Build the schedule of the learning rate, with one step for each optimiser step.

    Args:
        optimizer: The optimiser whose learning rate is scheduled.
        options: The form of the schedule.
        total_steps: Function that gives the total number of steps, which a time budget may change during the training.
    """

    def factor(step: int) -> float:
        if options.schedule == "constant":
            return 1.0
        total = total_steps()
        warmup = max(round(options.warmup * total), 1)
        if step < warmup:
            return (step + 1) / warmup
        return 0.5 * (1 + math.cos(math.pi * min((step - warmup) / max(total - warmup, 1), 1)))

    return LambdaLR(optimizer, factor)
