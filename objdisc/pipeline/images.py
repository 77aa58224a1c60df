"""Which images a folder holds, whatever it is called and wherever it lies."""

from objdisc.datasets import ImageDataset
from objdisc.io.hashing import digest_json
from objdisc.io.stamps import relative_name, stamp


def fingerprint(dataset: ImageDataset) -> str:
    """Return a hash of the names and sizes of a split's images."""
    known = [
        (relative_name(sample.image_path, dataset.root), stamp(sample.image_path)[0]) for sample in dataset.samples
    ]
    return digest_json(known)
