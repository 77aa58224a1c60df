"""YOLO's text files with the categories of a run as class numbers, and the YAML file that names them."""

from pathlib import Path

import yaml

from objdisc.annotations.annotations import Annotations
from objdisc.annotations.yolo import lines_of, names_file, parse_line, read_yaml
from objdisc.export.same.assigned import Assigned
from objdisc.io.files import atomic_write

FILE = "data.yaml"


def write_same(folder: Path, annotations: Annotations, assigned: Assigned) -> None:
    """Rewrite each text file; in a line, only the class number differs, which counts categories from 0.

    ``data.yaml`` is the original one, if there was one, with other names.

    Args:
        folder: Where the files go, under their names.
        annotations: The text files.
        assigned: The categories.
    """
    settings: dict[str, object] = {}
    for path, samples in annotations.entries():
        found = names_file(path.parent)
        if not settings and found is not None and found.suffix != ".txt":
            settings = read_yaml(found)
        lines = [_line(line, samples.get(""), number, assigned) for number, line in enumerate(lines_of(path))]
        with atomic_write(folder / path.relative_to(annotations.files.folder)) as file:
            file.write("".join(f"{line}\n" for line in lines))
    names = {category - 1: name for category, name in assigned.all_names().items()}
    with atomic_write(folder / FILE) as file:
        yaml.safe_dump({**settings, "nc": len(names), "names": names}, file, sort_keys=False, allow_unicode=True)


def _line(line: str, sample: str | None, number: int, assigned: Assigned) -> str:
    if parse_line(line) is None:
        return line
    found = assigned.get(sample, str(number))
    category = assigned.unassigned_id if found is None else found[0]
    return " ".join([str(category - 1), *line.split()[1:]])
