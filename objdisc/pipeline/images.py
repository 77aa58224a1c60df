"""A fingerprint of the images in a folder, independent of the folder's name and place."""

from objdisc.datasets import ImageDataset
from objdisc.imaging.spread import spread_evenly
from objdisc.io.hashing import digest_json
from objdisc.io.stamps import edges, relative_name, stamp

_OPENED = 64  # images that are looked into: frames of a video are equally named and equally large


def fingerprint(dataset: ImageDataset) -> str:
    """Return a hash of the names and sizes of a split's images, and of the edges of some of them."""
    paths = [sample.image_path for sample in dataset.samples]
    known = [(relative_name(path, dataset.root), stamp(path)[0]) for path in paths]
    opened = [edges(paths[place]) for place in spread_evenly(len(paths), _OPENED).tolist()]
    return digest_json([known, opened])
