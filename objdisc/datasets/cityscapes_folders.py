"""Where the images and maps of Cityscapes lie, however its downloads were unpacked.

A *tree* is a folder of splits, which are folders of cities: ``leftImg8bit``, ``leftImg8bit_sequence``, ``gtFine``, ...
Each zip file of cityscapes-dataset.com holds one, and may be unpacked into a common folder or into a folder of its own.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from objdisc.datasets.listing import SPLITS, maps_by_name
from objdisc.imaging.decode import list_images

IMAGES = "leftImg8bit"
TRUTHS = ("gtFine", "gtCoarse")  # the first one that has a map of a frame counts

_TREE = re.compile(rf"{IMAGES}(_[A-Za-z0-9]+)?")
_FRAME = re.compile(rf"(?P<frame>.+)_{IMAGES}(?P<variant>_(foggy|rain|blurred).*)?")
_LABELS = ("labelIds.png", "labelTrainIds.png", "polygons.json")
_INSTANCES = ("instanceIds.png", "polygons.json")


@dataclass(frozen=True)
class CityscapesFolders:
    """The trees that were found.

    Attributes:
        root: The folder that holds the trees, or their zip files' folders.
        images: Trees of images, all of one name.
        truths: Trees of maps, fine ones first.
        only: The split whose path was given; ``""`` for all.
    """

    root: Path
    images: tuple[Path, ...]
    truths: tuple[Path, ...]
    only: str = ""

    def splits(self) -> tuple[str, ...]:
        """Return the splits with images: train, val, test, then any others."""
        folders = {folder.name: folder for tree in self.images for folder in tree.iterdir() if folder.is_dir()}
        names = [name for name in folders if (not self.only or name == self.only) and self._has_images(name)]
        return tuple(sorted(names, key=lambda name: (name not in SPLITS, *map(name.__ne__, SPLITS), name)))

    def _has_images(self, split: str) -> bool:
        return any(next(_frames(tree / split), None) is not None for tree in self.images)

    def frames(self, split: str) -> dict[str, tuple[Path, str]]:
        """List the images of a split: name to file, and to the name of the frame in its maps' names.

        Names are ``<city>/<city>_<seq>_<frame>``; the suffix of a variant, such as ``_foggy_beta_0.02``, is kept.
        """
        found = {}
        for folder in (tree / split for tree in self.images):
            # Sorted by suffix, too: of a frame that is there as .jpg and .png, the lossless .png comes last and stays.
            for path, match in sorted(_frames(folder), key=lambda pair: pair[0]):
                above = path.parent.relative_to(folder).as_posix()
                prefix = "" if above == "." else f"{above}/"
                name = f"{prefix}{match['frame']}"
                found[f"{name}{match['variant'] or ''}"] = path, name
        return found

    def maps(self, split: str, *, of_instances: bool = False) -> dict[str, Path]:
        """List the maps of a split by the names of their frames: the most direct one for each."""
        found: dict[str, Path] = {}
        for tree in self.truths:
            files = maps_by_name(tree / split)
            for end in _INSTANCES if of_instances else _LABELS:
                ending, is_map = f"_{tree.name}_{end.partition('.')[0]}", end.endswith(".png")
                for name, path in (files if is_map else _polygons(tree / split)).items():
                    if name.endswith(ending):
                        found.setdefault(name.removesuffix(ending), path)
        return found


def find_folders(path: Path) -> CityscapesFolders | None:
    """Find the trees in a folder, in one folder in it, in its zip files' folders, or around the folder itself.

    Args:
        path: An existing folder, which may itself be a tree or a split of one.

    Returns:
        The trees; None if the folder has another layout.
    """
    absolute = path.absolute()
    if _is_tree(path):
        return CityscapesFolders(path.parent, (path,), _truths(path.parent))
    if _is_tree_name(absolute.parent.name) and _is_tree(absolute.parent):
        return CityscapesFolders(path.parent.parent, (path.parent,), _truths(path.parent.parent), only=absolute.name)
    trees = [folder for folder in sorted(path.glob(f"{IMAGES}*/")) if _is_tree(folder)]
    if trees:
        return CityscapesFolders(path, _of_one_name(trees), _truths(path))
    below = [folder for folder in sorted(path.glob(f"*/{IMAGES}*/")) if _is_tree(folder)]
    roots = dict.fromkeys(folder.parent for folder in below)
    if len(roots) == 1:
        root = next(iter(roots))
        return CityscapesFolders(root, _of_one_name(below), _truths(root))
    if below and all(root.name.startswith(IMAGES) for root in roots):
        return CityscapesFolders(path, _of_one_name(below), _truths(path))
    return None


def _is_tree_name(name: str) -> bool:
    return _TREE.fullmatch(name) is not None


def _is_tree(folder: Path) -> bool:
    """Whether a folder is named like a tree of images and holds none: folders of zip files have such names, too."""
    return (
        folder.is_dir()
        and _is_tree_name(folder.absolute().name)
        and not any(_is_tree_name(below.name) for below in folder.glob("*/"))
    )


def _of_one_name(trees: list[Path]) -> tuple[Path, ...]:
    """Keep plain images if there are any, otherwise the first variant: no frame may appear in several variants."""
    wanted = IMAGES if any(tree.name == IMAGES for tree in trees) else trees[0].name
    return tuple(tree for tree in trees if tree.name == wanted)


def _truths(root: Path) -> tuple[Path, ...]:
    """Find the trees of maps in a folder, in zip files' folders in it, and beside a zip file's folder of images."""
    tops = [root, *([root.parent] if root.absolute().name.startswith(IMAGES) else [])]
    found: dict[Path, None] = {}
    for name in TRUTHS:
        for top in tops:
            found |= dict.fromkeys([top / name, *sorted(top.glob(f"{name}*/{name}/"))])
        found[root.parent / f"{name}_trainvaltest" / name] = None
    return tuple(tree for tree in found if tree.is_dir() and not (tree / tree.name).is_dir())


def _frames(folder: Path) -> Iterator[tuple[Path, re.Match[str]]]:
    if not folder.is_dir():
        return
    for path in list_images(folder):
        match = _FRAME.fullmatch(path.name.removesuffix(path.suffix))
        if match is not None:
            yield path, match


def _polygons(folder: Path) -> Mapping[str, Path]:
    paths = folder.rglob("*_polygons.json") if folder.is_dir() else ()
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
