"""Files with the names of classes by their ids: JSON, CSV, or lines of text."""

import csv
import json
import re
from pathlib import Path

from objdisc.errors import UsageError

_MAX_ID = 255
_NUMBERED = re.compile(r"\s*(?P<id>\d+)\s*[\s,;:=]\s*(?P<name>\S.*?)\s*")


def numbered_classes() -> dict[int, str]:
    """Name every 8-bit id by its number, for data sets without class names."""
    return {label: f"class {label}" for label in range(_MAX_ID + 1)}


def read_class_names(path: Path) -> dict[int, str]:
    """Read the names of classes.

    Args:
        path: A ``.json`` file maps ids to names, or lists names in the order of their ids. A ``.csv`` file has a column
            of ids and one of names, with or without a header. Any other file has lines such as ``0 road`` or ``0:
            road``, or names alone from 0 on.

    Returns:
        Id to name, by rising id; names that occur twice have their ids added.

    Raises:
        UsageError: The file cannot be read, or holds no names or ids outside 0 to 255.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        read = {".json": _from_json, ".csv": _from_csv}.get(path.suffix.lower(), _from_lines)
        names = read(text)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(f'{path}: no class names in it ({error}); expected such as {{"0": "road"}}') from error
    if not names or min(names) < 0 or max(names) > _MAX_ID:
        raise UsageError(f"{path}: holds {len(names)} class ids; expected at least one, each from 0 to {_MAX_ID}")
    seen: set[str] = set()
    unique = {}
    for label, name in sorted(names.items()):
        unique[label] = name if name not in seen else f"{name} {label}"
        seen.add(unique[label])
    return unique


def _from_json(text: str) -> dict[int, str]:
    document = json.loads(text)
    if isinstance(document, list) and all(isinstance(name, str) for name in document):
        return dict(enumerate(document))
    return {int(label): str(name) for label, name in document.items()}


def _from_csv(text: str) -> dict[int, str]:
    names = {}
    for number, row in enumerate(csv.reader(text.splitlines())):
        cells = [cell.strip() for cell in row]
        label = next((place for place, cell in enumerate(cells) if cell.isdigit()), None)
        name = next((cell for cell in cells if cell and not cell.isdigit()), None)
        if label is None and number == 0:
            continue  # the header
        if label is None or name is None:
            raise ValueError(f"line {number + 1} has no id and name")
        names[int(cells[label])] = name
    return names


def _from_lines(text: str) -> dict[int, str]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = [_NUMBERED.fullmatch(line) for line in lines]
    if all(found):
        return {int(match["id"]): match["name"] for match in found if match is not None}
    return dict(enumerate(line.strip() for line in lines))
