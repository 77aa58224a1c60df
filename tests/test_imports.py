"""The rooms import one way only, labels are read in one room, and heavy or special imports stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest

import objdisc

PACKAGE = Path(objdisc.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each line may import from itself and from the lines above it; CONTRIBUTING.md says the same
LAYERS = [
    {"types", "errors", "losses"},
    {"io", "config", "imaging", "augmentation", "models", "clustering"},
    {"annotations"},
    {"datasets", "methods"},
    {"objectness"},
    {"patches"},
    {"training", "retrieval", "naming"},
    {"inference", "render"},
    {"evaluation", "report"},
    {"export"},
    {"pipeline"},
    {"commands"},
    {"cli", "testing"},
    {"__main__"},
]
RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path: Path) -> Iterator[str]:
    """Yield the full names of what a file imports, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: a relative import hides its direction"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_run_one_way(path: Path) -> None:
    room = room_of(path)
    if room == "__init__":
        return  # it imports what it is asked for; test_python_api holds that it waits for nothing
    assert room in RANK, f"{path}: a new room needs its place in the order above"
    for name in imports_of(path):
        if name.startswith("objdisc."):
            other = name.split(".")[1]
            if other == "__version__":
                continue
            assert RANK[other] <= RANK[room], f"{path} imports {name}, which lies above it"


def test_rooms_of_one_layer_do_not_import_in_a_circle() -> None:
    for rooms in LAYERS:
        edges = {
            (room_of(path), name.split(".")[1])
            for path in MODULES
            if room_of(path) in rooms
            for name in imports_of(path)
            if name.startswith("objdisc.") and name.split(".")[1] in rooms - {room_of(path)}
        }
        while edges:
            leaves = {b for _, b in edges} - {a for a, _ in edges}
            assert leaves, f"a circle among {edges}"
            edges = {(a, b) for a, b in edges if b not in leaves}


def readers_of(path: Path, name: str) -> Iterator[str]:
    """Yield on what a method is taken."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr == name:
            yield ast.unparse(node.value)


def test_only_the_evaluation_reads_labels() -> None:
    assert {room_of(path) for path in MODULES for _ in readers_of(path, "read_labels")} == {"evaluation"}
    # A data set may turn its own labels into class-agnostic masks: foreground, and the pixels that take part
    readers = {(room_of(path), owner) for path in MODULES for owner in readers_of(path, "_read_class_ids")}
    assert readers == {("datasets", "self")}


def callers_of(path: Path, name: str) -> bool:
    """Say whether a file calls a method of this name."""
    calls = (node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call))
    return any(isinstance(function, ast.Attribute) and function.attr == name for function in calls)


def test_only_evaluation_and_export_read_the_classes_of_annotations() -> None:
    for name in ("classes", "class_names"):
        rooms = {room_of(path) for path in MODULES if callers_of(path, name)}
        assert rooms <= {"evaluation", "export"}
        assert "evaluation" in rooms
    # The tables that hold classes are read in one module, and written in one
    words = ("FROM classes", "JOIN classes", "INTO classes")
    tables = {name_of(path) for path in MODULES if any(word in path.read_text(encoding="utf-8") for word in words)}
    assert tables == {"annotations/annotations.py", "annotations/index.py"}


def test_labels_train_something_in_three_commands_alone() -> None:
    """These three go through one room; what they train with labels lies where ``--method`` finds nothing."""
    learners = ("objdisc.commands.supervised", "objdisc.evaluation.linear")
    importers = {
        (path.parent.name, path.stem)
        for path in MODULES
        for name in imports_of(path)
        if name.startswith(learners) or "LabelledClassifier" in name
    }
    assert importers == {("supervised", name) for name in ("overclustering", "probe", "finetune")}
    assert not [path for path in MODULES if room_of(path) == "methods" and "patch_labels" in path.read_text()]


def test_commands_import_no_command() -> None:
    """What two of them need is of the pipeline; a command of several modules is one room."""
    for path in MODULES:
        place = path.relative_to(PACKAGE).parts
        if place[0] == "commands" and place[-1] != "__init__.py":
            own = f"objdisc.commands.{place[1]}." if len(place) > 2 else "objdisc.commands.nothing"
            others = [name for name in imports_of(path) if name.startswith("objdisc.commands.")]
            assert all(name.startswith(own) for name in others), f"{path}: {others}"


def test_the_root_holds_what_every_room_knows_and_the_way_in() -> None:
    assert {path.stem for path in PACKAGE.glob("*.py")} == {"__init__", "__main__", "cli", "errors", "testing", "types"}


def test_contributing_lists_the_same_layers() -> None:
    text = " ".join((PACKAGE.parent / "CONTRIBUTING.md").read_text(encoding="utf-8").split())
    layers = " → ".join(", ".join(sorted(rooms)) for rooms in LAYERS[:-1])
    assert f"{layers} → tools" in text


def test_training_and_what_it_stands_on_import_no_evaluation() -> None:
    below = {room for room, rank in RANK.items() if rank <= RANK["training"]}
    for path in MODULES:
        if room_of(path) in below:
            assert not [name for name in imports_of(path) if name.startswith("objdisc.evaluation")], path


def test_only_config_knows_jsonargparse() -> None:
    users = {name_of(path) for path in MODULES if any(n.split(".")[0] == "jsonargparse" for n in imports_of(path))}
    assert users == {"config/schema.py", "config/settings.py"}


def test_help_does_not_wait_for_torch() -> None:
    script = "import sys, objdisc.cli; objdisc.cli.main(['--help']); sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert result.returncode == 0


def test_processes_that_cut_patches_do_not_wait_for_torch() -> None:
    script = "import sys, objdisc.patches.store, objdisc.objectness.instances; sys.exit('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert result.returncode == 0


def test_both_opencv_wheels_leave_a_working_cv2() -> None:
    assert callable(cv2.imread)


def test_shims_are_short() -> None:
    tools = PACKAGE.parent / "tools"
    for path in tools.glob("*.py"):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 40, path
