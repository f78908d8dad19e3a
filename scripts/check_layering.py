"""Compares what the targets of the package import with what Package.swift lets them import.

An import that is not declared is an error, a declared dependency that nothing imports is an error, `@testable` is
an error, and the rooms in `Sources/` keep away from Foundation (it costs start-up time).

usage: check_layering.py [--self-test]
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile

# Rooms that may import the small part of Foundation, each with its reason.
FOUNDATION_ESSENTIALS = {
    "Pipeline": "policies and plans are JSON files",
}
# Modules of the toolchain that need no declaration.
SYSTEM = {"Swift", "Synchronization", "Glibc", "Musl", "Darwin", "Dispatch"}
# Those that only tests may use.
TEST_SYSTEM = SYSTEM | {"Testing", "Foundation", "FoundationEssentials"}

IMPORT = re.compile(
    r"^\s*(?P<attributes>(?:@[\w.]+(?:\([^)]*\))?\s+)*)"
    r"(?:(?:public|package|internal|private|fileprivate)\s+)?"
    r"import\s+(?:(?:struct|class|enum|protocol|func|var|let|typealias|actor)\s+)?(?P<module>\w+)"
)


def imports(text):
    """The modules a Swift file imports and whether `@testable` is used; comments and long strings are left out."""
    text = re.sub(r'"""[\s\S]*?"""', '""', text)
    text = re.sub(r"/\*[\s\S]*?\*/", "", text)
    found = [match for line in text.splitlines() if (match := IMPORT.match(line))]
    return {match["module"] for match in found}, any("@testable" in match["attributes"] for match in found)


def dependency_names(target):
    """The modules that the manifest lets a target import."""
    names = set()
    for dependency in target["dependencies"]:
        for kind in ("byName", "target", "product"):
            if kind in dependency:
                names.add(dependency[kind][0])
    return names


def folder(root, target):
    if target.get("path"):
        return root / target["path"]
    return root / ("Tests" if target["type"] == "test" else "Sources") / target["name"]


def errors_of(root, target, types):
    """The sentences that say what is wrong with one target."""
    name, place, declared = target["name"], folder(root, target), dependency_names(target)
    is_test = place.relative_to(root).parts[0] == "Tests"
    files = sorted(place.rglob("*.swift"))
    used, errors = set(), []
    for file in files:
        modules, is_testable = imports(file.read_text(encoding="utf-8"))
        where = file.relative_to(root)
        if is_testable:
            errors.append(f"{where}: @testable is not used here; make the declaration `package`")
        for module in sorted(modules):
            used.add(module)
            if module in declared or module in (TEST_SYSTEM if is_test else SYSTEM):
                continue
            if module == "FoundationEssentials" and name in FOUNDATION_ESSENTIALS:
                continue
            if module.startswith("Foundation"):
                errors.append(f"{where}: {name} may not import {module}")
            elif module != name:
                errors.append(f"{where}: {name} imports {module}, which Package.swift does not declare for it")
    for dependency in sorted(declared - used):
        # An executable is a dependency so that it gets built, and C targets have no imports to compare.
        if files and types.get(dependency) not in ("executable", "plugin", "macro"):
            errors.append(f"Package.swift: {name} declares {dependency} but imports it nowhere")
    return errors


def check(root, manifest):
    targets = manifest["targets"]
    types = {target["name"]: target["type"] for target in targets}
    errors = []
    for target in targets:
        if target["type"] != "system":
            errors += errors_of(root, target, types)
    known = {folder(root, target) for target in targets}
    for place in sorted((root / "Sources").iterdir()):
        if place.is_dir() and place not in known:
            errors.append(f"{place.relative_to(root)}: a folder that Package.swift does not know")
    return errors


def self_test():
    """Every kind of error is found in a made-up tree, and nothing else."""
    sources = {
        "Sources/Ground/a.swift": "import Glibc\nimport struct Swift.Int\n/* import Face */\n",
        "Sources/Face/a.swift": "public import Ground\n  import Synchronization\n",
        "Sources/Sneaky/a.swift": 'import Ground\n@testable import Face\nlet x = """\nimport Lost\n"""\n',
        "Sources/Heavy/a.swift": "internal import Foundation\n// import Face\n",
        "Sources/Pipeline/a.swift": "import FoundationEssentials\n",
        "Sources/Unknown/a.swift": "",
        "Tests/FaceTests/a.swift": "import Face\nimport Foundation\nimport Testing\nimport Parser\n",
    }
    targets = [
        ("Ground", "regular", []),
        ("Face", "regular", ["Ground"]),
        ("Sneaky", "regular", ["Face"]),
        ("Heavy", "regular", ["Ground"]),
        ("Pipeline", "regular", []),
        ("program", "executable", []),
        ("FaceTests", "test", ["Face", "program"]),
    ]
    expected = [
        "Sources/Sneaky/a.swift: @testable is not used here; make the declaration `package`",
        "Sources/Sneaky/a.swift: Sneaky imports Ground, which Package.swift does not declare for it",
        "Sources/Heavy/a.swift: Heavy may not import Foundation",
        "Package.swift: Heavy declares Ground but imports it nowhere",
        "Tests/FaceTests/a.swift: FaceTests imports Parser, which Package.swift does not declare for it",
        "Sources/Unknown: a folder that Package.swift does not know",
    ]
    with tempfile.TemporaryDirectory() as name:
        root = pathlib.Path(name)
        for path, text in sources.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
        manifest = {
            "targets": [
                {"name": name, "type": kind, "dependencies": [{"byName": [to, None]} for to in dependencies]}
                for name, kind, dependencies in targets
            ]
        }
        found = check(root, manifest)
    if found != expected:
        print("error: the layering check's own test fails", *found, sep="\n", file=sys.stderr)
        return 1
    return 0


def main():
    if sys.argv[1:] == ["--self-test"]:
        return self_test()
    root = pathlib.Path(__file__).resolve().parent.parent
    dump = subprocess.run(
        ["swift", "package", "dump-package"], cwd=root, check=True, stdout=subprocess.PIPE, text=True
    )
    errors = check(root, json.loads(dump.stdout))
    for error in errors:
        print(f"error: {error}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
