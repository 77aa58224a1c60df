"""A shard: the patches of a few consecutive images, the unit that a build keeps when it is interrupted."""

import json
import os
import random
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from objdisc.datasets.base import ImageDataset
from objdisc.errors import UnreadableImageError
from objdisc.io.files import atomic_write
from objdisc.io.hashing import digest
from objdisc.io.stamps import Stamps, relative_name, stamp
from objdisc.objectness.base import ObjectnessSource
from objdisc.patches.shard_files import PixelFile, Tables, write_tables
from objdisc.patches.windows import PatchOptions, background_windows, cut_region
from objdisc.types import Region

FORMAT_VERSION = 4
IMAGES_PER_SHARD = 32  # what a killed build loses at most per process


@dataclass(frozen=True)
class CutJob:
    """What is cut, and how: everything that a worker needs besides an image's index."""

    dataset: ImageDataset
    source: ObjectnessSource
    options: PatchOptions
    seed: int

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """``(S, S, C + 1)``: the image's channels and the mask."""
        return self.options.size, self.options.size, self.dataset.num_channels + 1

    def settings(self) -> dict[str, Any]:
        """Return everything that the patches depend on besides the files, as JSON values."""
        return {
            "format": FORMAT_VERSION,
            "options": asdict(self.options),
            "source": self.source.fingerprint_on(self.dataset),
            "reading": self.dataset.fingerprint(),
            "seed": self.seed,
            # Data sets that can be told which classes are objects keep that choice under this name.
            "foreground": sorted(getattr(self.dataset, "foreground", None) or ()),
        }

    def shards(self) -> list["ShardPlan"]:
        """Split the samples into shards, and key each by the settings and by its files' paths, sizes and times."""
        settings = json.dumps(self.settings(), sort_keys=True)
        plans = []
        for start in range(0, len(self.dataset.samples), IMAGES_PER_SHARD):
            span = range(start, min(start + IMAGES_PER_SHARD, len(self.dataset.samples)))
            parts = [settings]
            for index in span:
                name, foreground, files = self._sample(index)
                stamps = [(relative_name(path, self.dataset.root), *stamp(path)) for path in files]
                parts.append(json.dumps([name, foreground, stamps]))
            plans.append(ShardPlan(span, digest(parts)))
        return plans

    def files(self) -> list[Path]:
        """List all files that the patches are cut from: each image, then the files of its regions."""
        return [path for index in range(len(self.dataset.samples)) for path in self._sample(index)[2]]

    def stamps(self) -> Stamps:
        """Record which files the patches are cut from, without opening them."""
        parts = [json.dumps(self.settings(), sort_keys=True)]
        times: list[int] = []
        for index in range(len(self.dataset.samples)):
            name, foreground, files = self._sample(index)
            stamps = [stamp(path) for path in files]
            names = [relative_name(path, self.dataset.root) for path in files]
            parts.append(json.dumps([name, foreground, names, [size for size, _ in stamps]]))
            times += [time for _, time in stamps]
        return Stamps(os.path.abspath(self.dataset.root), digest(parts), times)

    def _sample(self, index: int) -> tuple[str, bool | None, list[Path]]:
        sample = self.dataset.samples[index]
        files = [sample.image_path, *self.source.files(self.dataset, sample)]
        return sample.name, self.dataset.is_foreground(sample), files

    def key_of_version_3(self) -> str:
        """Return the key that stores of version 0.1 have, which holds whole paths."""
        settings = json.dumps(self.settings() | {"format": 3}, sort_keys=True)
        keys = []
        for start in range(0, len(self.dataset.samples), IMAGES_PER_SHARD):
            parts = [settings]
            for index in range(start, min(start + IMAGES_PER_SHARD, len(self.dataset.samples))):
                name, foreground, files = self._sample(index)
                stamps = [(os.path.abspath(path), *stamp(path)) for path in files]
                parts.append(json.dumps([name, foreground, stamps]))
            keys.append(digest(parts))
        return digest(keys)


@dataclass(frozen=True)
class ShardPlan:
    """A shard that is to be cut.

    Attributes:
        span: Indices of its images among the data set's samples.
        key: Hash of everything that its content depends on.
    """

    span: range
    key: str

    @property
    def file_name(self) -> str:
        """A name that is unique to the content."""
        return f"{self.span.start:08d}-{self.key}.shard"


def image_rng(seed: int, name: str) -> random.Random:
    """Return an image's own random generator, which does not depend on the order in which images are cut.

    Args:
        seed: The build's seed, 0 or more.
        name: ``Sample.name``.
    """
    # Python keeps what a seed yields from version to version, and makes such a source in a tenth of numpy's time.
    return random.Random(f"{seed} {name}")


def choose_regions(job: CutJob, name: str, regions: list[Region], frame: tuple[int, int]) -> list[Region]:
    """Choose the regions that become patches: objects that are large enough, then background windows.

    Args:
        job: What is cut.
        name: ``Sample.name``.
        regions: All regions that the source found.
        frame: ``(H, W)`` in pixels.
    """
    if not job.source.outlines:
        return regions
    objects = [region for region in regions if region.area >= job.options.min_area]
    return objects + background_windows(regions, frame, job.options, image_rng(job.seed, name))


def write_shard(job: CutJob, plan: ShardPlan, folder: Path, pixels: PixelFile) -> Path:
    """Cut the patches of a shard's images and write them.

    Unreadable images are noted in the shard and left out.

    Args:
        job: What is cut.
        plan: The shard.
        folder: Where its tables go, in a file that appears when all is written.
        pixels: Where its patches go, in the same folder.

    Returns:
        The shard's file.

    Raises:
        ObjdiscError: The disk is full or does not allow the write.
    """
    path = folder / plan.file_name
    with atomic_write(path, "wb") as file:
        start = pixels.file.tell()
        tables = _write_patches(job, plan, pixels)
        write_tables(file, pixels, start, tables)
    return path


def _write_patches(job: CutJob, plan: ShardPlan, pixels: PixelFile) -> Tables:
    """Cut and write image by image: only one image's pixels are held, and they are still in the processor's cache."""
    frames: list[tuple[int, int, int]] = []
    skipped: list[tuple[str, str]] = []
    rows: list[tuple[Any, ...]] = []
    masks: list[bytes] = []
    sources: list[str] = []
    for index in plan.span:
        sample = job.dataset.samples[index]
        try:
            image = job.dataset.read_image(sample)
            found = job.source.regions(job.dataset, sample, image)
        except UnreadableImageError as error:
            skipped.append((str(error.path), error.reason))
            continue
        height, width = image.shape[:2]
        frames.append((index, height, width))
        patches = []
        for region in choose_regions(job, sample.name, found, (height, width)):
            window, patch = cut_region(image, job.source.outlined(region, (height, width)), job.options)
            counts = region.mask["counts"].encode("ascii") if region.mask else b""
            rows.append((index, window, region.box, region.area, region.foreground, region.score, len(counts)))
            masks.append(counts)
            sources.append(region.source_id or "")
            patches.append(patch.data)
        pixels.append(patches)
    return Tables(frames, skipped, rows, masks, sources if any(sources) else [])
