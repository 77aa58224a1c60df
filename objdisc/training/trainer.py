"""The loop that trains every method, and knows none of them by name."""

import logging
import math
import time
import warnings
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed

from objdisc.errors import UsageError
from objdisc.io.files import atomic_write
from objdisc.io.run import Run, read_metrics_log
from objdisc.methods.base import Method, Views
from objdisc.patches.memory import Patches
from objdisc.patches.sample import training_patches
from objdisc.training.alarms import check_terms, warn_of_collapse
from objdisc.training.batches import BatchMaker
from objdisc.training.checkpoint import Stateful, load_checkpoint, restore, save_checkpoint, save_weights, start_from
from objdisc.training.clock import Clock
from objdisc.training.encoding import StoreEncoder
from objdisc.training.engine import make_accelerator
from objdisc.training.loader import EpochBatches, PatchViews, make_loader
from objdisc.training.logging import MeanTerms, TrainingLog
from objdisc.training.optimization import make_optimizer, make_scheduler
from objdisc.training.options import TrainerOptions
from objdisc.training.ranks import TrainingRanks, check_plan, mean_over_ranks, share_plan, share_state
from objdisc.training.resuming import is_over
from objdisc.types import Batch

logger = logging.getLogger(__name__)


def fit(
    method: Method,
    store: Patches,
    run: Run | None,
    options: TrainerOptions,
    *,
    resume: bool = False,
    init_from: Run | None = None,
) -> float:
    """Train a method in place, and leave its weights, log and checkpoint in the run, if there is one.

    A checkpoint is written after each epoch. Every random choice is seeded by run, epoch and sample, so a training
    that was killed and resumed ends with the weights of one that never stopped, bit for bit on the CPU. With a time
    budget, they also depend on the clock. If there are more objects than ``options.max_objects``, a sample of them is
    trained on.

    Args:
        method: The method, on any device.
        store: Patches of the training split.
        run: Where results go; only the main process writes. None writes nothing.
        options: How to train.
        resume: Whether to continue from the run's checkpoint, if it has one.
        init_from: Finished run that the method starts from; ignored if there is a checkpoint to continue from.

    Returns:
        Seconds that the training took, with those before an interruption.

    Raises:
        UsageError: There are too few foreground patches, the checkpoint is damaged, belongs to another training or must
            not be continued, ``init_from`` does not fit the method, or its loss has no gradient.
        ObjdiscError: The loss is not finite.
    """
    if run is not None and not resume and run.has_learned:
        raise UsageError(f"{run.path}: holds the results of another training; resume it, or give another folder.")
    accelerator = make_accelerator(options.device, options.precision)
    set_seed(options.seed)
    store, there = training_patches(store, options.max_objects, options.seed), int(store.foreground.sum())
    if (count := int(store.foreground.sum())) < there:
        logger.info("training on %d of %d objects (--max-objects); all get a prediction", count, there)
    if count < method.num_clusters and not method.per_pixel:  # whose crops hold many pixels each
        few = f"{count} foreground patches are too few for {method.num_clusters} clusters"
        raise UsageError(f"{few}; lower --num-clusters or give more images")
    method.setup(len(store))
    if not method.trains:
        return _finish_at_once(method, store, run, options, accelerator, init_from)
    if run is not None and resume and is_over(run, options):
        start_from(run, method)
        return sum(float(record.get("seconds", 0.0)) for record in read_metrics_log(run.metrics_log))
    training = Training(method, store, run, options, accelerator, resume, init_from)
    try:
        return training.run_epochs()
    finally:
        # its processes end with the training; the cycle of references that it lies in may be found much later
        del training.loader


def _finish_at_once(
    method: Method,
    store: Patches,
    run: Run | None,
    options: TrainerOptions,
    accelerator: Accelerator,
    init_from: Run | None,
) -> float:
    """Run a method that is not trained step by step, and may have no parameters."""
    clock = Clock(accelerator)
    method.to(accelerator.device)
    if init_from is not None:
        start_from(init_from, method)
    method.finish(TrainingRanks(accelerator, StoreEncoder(store, method, accelerator, options), options.seed))
    if run is not None and accelerator.is_main_process:
        save_weights(run, method)
    accelerator.wait_for_everyone()
    return clock.read()


class Training:
    """State of one training, with the arguments of ``fit``, which the functions of the loop share."""

    def __init__(
        self,
        method: Method,
        store: Patches,
        run: Run | None,
        options: TrainerOptions,
        accelerator: Accelerator,
        resume: bool,
        init_from: Run | None,
    ) -> None:
        self.method, self.options, self.accelerator = method, options, accelerator
        self.run = run if accelerator.is_main_process else None  # only the main process writes
        encoder = StoreEncoder(store, method, accelerator, options)
        self.ranks = TrainingRanks(accelerator, encoder, options.seed)
        self.batches = EpochBatches(
            store.foreground,
            options.batch_size,
            options.background_share if method.wants_background else 0.0,
            options.seed,
            accelerator.process_index,
            accelerator.num_processes,
        )
        # pixels that are compared must stay in place: their geometry is drawn as a map that can be undone
        in_place = method.views is Views.AFFINE_PAIR
        augmentation = replace(options.augmentation, crop_scale=1.0, flip=0.0) if in_place else options.augmentation
        views = PatchViews(store, augmentation, method.num_views, options.seed)
        self.loader = make_loader(views, self.batches, options.workers)
        self.make_batch = BatchMaker(method, options, accelerator.device)
        method.to(accelerator.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.steps_per_epoch = math.ceil(len(self.batches) / options.accumulation)
        optimizer = make_optimizer(method, options)
        self.most_steps = self.expected_steps = self.steps_per_epoch * options.epochs
        scheduler = make_scheduler(optimizer, options, lambda: self.expected_steps)
        self.epoch = self.step = 0
        checkpoint = load_checkpoint(run) if resume and run is not None else None
        if checkpoint is not None and run is not None:
            parts: dict[str, Stateful] = {"method": method, "optimizer": optimizer, "scheduler": scheduler}
            self.epoch, self.step = restore(run, checkpoint, parts)
            logger.info("continuing after epoch %d", self.epoch)
        elif init_from is not None:
            start_from(init_from, method)
        self.clock = Clock(accelerator, options.budget_minutes, (checkpoint or {}).get("spent", 0.0))
        # a scheduler that Accelerate prepares would step once for every process
        with warnings.catch_warnings():
            # the name that newer versions of torch prefer is not in 2.9
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            self.model, self.optimizer = accelerator.prepare(method, optimizer)
        self.scheduler = scheduler

    def run_epochs(self) -> float:
        """Train to the end, or until the budget is spent, and return the seconds taken."""
        main = self.accelerator.is_main_process
        with TrainingLog(self.run, self.most_steps, self.step, shown=None if main else False) as log:
            if self.options.epochs == 0:
                self.begin_epoch()
            while self.epoch < self.options.epochs and not self.clock.over:
                self.expected_steps = self.clock.expected_steps(self.epoch * self.steps_per_epoch, self.most_steps)
                record = self._train_epoch(log)
                self.epoch += 1
                log.write({"epoch": self.epoch, "step": self.step} | record)
                if self.accelerator.is_main_process:
                    warn_of_collapse(record.get("occupancy"), self.epoch)
                self.clock.read()
                self._save_checkpoint()
        if self.epoch < self.options.epochs:
            logger.info("the budget is spent after epoch %d of %d", self.epoch, self.options.epochs)
        share_state(self.accelerator, self.method)
        self.ranks.begin(None)
        self.method.finish(self.ranks)
        if self.run is not None:
            save_weights(self.run, self.method)
        self.accelerator.wait_for_everyone()
        return self.clock.read()

    def _train_epoch(self, log: TrainingLog) -> dict[str, Any]:
        set_seed(self.options.seed + self.epoch)
        self.begin_epoch()
        started = time.monotonic()
        record = self.train_batches(log)
        known = self.method.end_epoch(self.epoch, self.ranks)
        record |= {"lr": self.scheduler.get_last_lr()[-1], "seconds": time.monotonic() - started}
        record["data_wait"] /= max(record["seconds"], 1e-9)
        record |= known
        sizes = record.pop("occupancy", None)
        return record if sizes is None or not float(sizes.sum()) else record | {"occupancy": sizes / sizes.sum()}

    def train_batches(self, log: TrainingLog) -> dict[str, Any]:
        """Train on all batches of an epoch that has begun.

        Returns:
            Means of the loss's terms, seconds of waiting as ``data_wait``, and samples per cluster as ``occupancy``.
        """
        self.model.train()
        where = "" if self.run is None else f"{self.run.path}: "
        terms, occupancy, waited = MeanTerms(), None, 0.0
        for number, (batch, seconds) in enumerate(self.timed_batches(), start=1):
            waited += seconds
            summed, last = self._accumulation(number)
            with nullcontext() if last else self.accelerator.no_sync(self.model):
                losses = self.model(batch, self.ranks)
                check_terms(self.method, losses, f"{where}epoch {self.epoch + 1}, step {self.step + 1}")
                self.accelerator.backward(losses["loss"] / summed)
            sizes = losses.pop("occupancy", None)
            if sizes is not None:
                occupancy = sizes if occupancy is None else occupancy + sizes
            terms.update(losses)
            if last:
                self._optimizer_step(number)
                log.step(float(losses["loss"].detach()))
        record: dict[str, Any] = mean_over_ranks(self.accelerator, terms.means())
        record["data_wait"] = waited
        if occupancy is not None:
            record["occupancy"] = self.ranks.sum(occupancy)
        return record

    def begin_epoch(self) -> None:
        """Let the method plan the epoch, and share its plan."""
        self.batches.epoch = self.epoch
        share_state(self.accelerator, self.method)
        self.ranks.begin(self.epoch)
        plan = self.method.begin_epoch(self.epoch, self.ranks)
        check_plan(plan, len(self.ranks.foreground))
        share_state(self.accelerator, self.method)
        plan = share_plan(self.accelerator, plan)
        for parameter in plan.reset:
            self.optimizer.optimizer.state.pop(parameter, None)
        self.batches.order = None if plan.rows is None else plan.rows.cpu().numpy()
        self.batches.partners = None if plan.partners is None else plan.partners.cpu().numpy()
        if plan.assignments is not None and self.run is not None:
            with atomic_write(self.run.assignments_of(self.epoch + 1), "wb") as file:
                np.save(file, plan.assignments.cpu().numpy().astype(np.int32))

    def _accumulation(self, number: int) -> tuple[int, bool]:
        """Return the number of batches in the step of batch ``number`` (from 1), and whether the batch is its last.

        An epoch's last step may have fewer: a checkpoint would lose gradients that are left over.
        """
        wanted = self.options.accumulation
        start = (number - 1) // wanted * wanted
        summed = min(wanted, len(self.batches) - start)
        return summed, number == start + summed

    def _optimizer_step(self, number: int) -> None:
        """Step after the epoch's batch ``number`` (from 1)."""
        if self.options.clip_norm:
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.options.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        done, steps = (-(-batches // self.options.accumulation) for batches in (number, len(self.batches)))
        # the schedule counts epochs, which a method may make longer or shorter than the data set
        self.scheduler.last_epoch = self.epoch * self.steps_per_epoch + done * self.steps_per_epoch // steps - 1
        self.scheduler.step()
        self.step += 1

    def timed_batches(self) -> Iterator[tuple[Batch, float]]:
        """Yield the epoch's batches on the device, each with the seconds that the loop waited for it."""
        iterator = iter(self.loader)
        while True:
            started = time.monotonic()
            raw = next(iterator, None)
            waited = time.monotonic() - started
            if raw is None:
                return
            yield self.make_batch(raw, self.epoch), waited

    def _save_checkpoint(self) -> None:
        if self.run is not None:
            done = {"epoch": self.epoch, "step": self.step, "spent": self.clock.spent}
            state = done | {"method": self.method.state_dict()}
            optimizer, scheduler = self.optimizer.optimizer.state_dict(), self.scheduler.state_dict()
            save_checkpoint(self.run, state | {"optimizer": optimizer, "scheduler": scheduler})
        self.accelerator.wait_for_everyone()
