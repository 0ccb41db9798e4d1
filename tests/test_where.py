"""Every module of jmeta has a test file of its own path, or an entry in ``where.toml`` that names the test files that test it."""

import ast
import functools
import re
import tomllib
from collections import Counter, defaultdict
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

import pytest

from tests.mutants.mutants import read_list

TESTS = Path(__file__).parent
SOURCES = TESTS.parent / "src" / "jmeta"
WHERE: dict[str, list[str]] = tomllib.loads((TESTS / "where.toml").read_text())
MODULES = sorted(
    file.relative_to(SOURCES).as_posix() for file in SOURCES.rglob("*.py") if file.name not in ("__init__.py", "__main__.py")
)
FILES = sorted(file.relative_to(TESTS).as_posix() for file in TESTS.rglob("test_*.py"))


def mirrored(module: str) -> str:
    """The test file of the module's own path."""
    path = PurePosixPath(module)
    return path.with_name(f"test_{path.name}").as_posix()


ELSEWHERE = [module for module in MODULES if mirrored(module) not in FILES]


def entries_of(module: str) -> list[str]:
    """The module's own entry, or else all patterns that match it."""
    return [module] if module in WHERE else [entry for entry in WHERE if fnmatchcase(module, entry)]


def listed_for(module: str) -> list[str]:
    """The test files that the list names for a module."""
    return [test for entry in entries_of(module) for test in WHERE[entry]]


# How a test file refers to a module


@functools.cache
def nodes(file: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(file.read_text())))


def dotted(module: str) -> str:
    return "jmeta." + module.removesuffix(".py").replace("/", ".")


@functools.cache
def definitions(module: str) -> frozenset[str]:
    """The public names that a module defines at its top level."""
    names: set[str] = set()
    for node in ast.parse((SOURCES / module).read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(name for name in names if not name.startswith("_"))


NUMBER_OF_DEFINITIONS = Counter(name for module in MODULES for name in definitions(module))


@functools.cache
def names_of(module: str) -> frozenset[str]:
    """The module's dotted name, and the names that only it defines; algorithms and commands are called by their name, too."""
    called = {PurePosixPath(module).stem} if module.startswith(("algorithms/", "cli/")) else set()
    return frozenset({dotted(module), *called, *(name for name in definitions(module) if NUMBER_OF_DEFINITIONS[name] == 1)})


def helpers(file: Path) -> set[Path]:
    """The files of ``tests`` that a test file imports, other than test files."""
    modules = {str(node.module) for node in nodes(file) if isinstance(node, ast.ImportFrom)}
    files = {TESTS.parent.joinpath(*module.split(".")).with_suffix(".py") for module in modules if module.startswith("tests.")}
    return {helper for helper in files if not helper.name.startswith("test_")}


@functools.cache
def names_in(file: Path) -> frozenset[str]:
    """Names of jmeta that a file and its helpers import, take from what they import, or have as strings."""
    names: set[str] = set()
    imported: set[str] = set()
    for node in nodes(file):
        if isinstance(node, ast.Import):
            imported |= {alias.asname or "jmeta" for alias in node.names if alias.name.split(".")[0] == "jmeta"}
        elif isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "jmeta":
            imported |= {alias.asname or alias.name for alias in node.names}
            names |= {str(node.module), *(alias.name for alias in node.names)}
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.-]+", node.value):
            names |= {node.value.replace("-", "_"), node.value.rpartition(".")[0]}
    for node in nodes(file):
        root = node
        while isinstance(root, ast.Attribute):
            root = root.value
        if isinstance(node, ast.Attribute) and isinstance(root, ast.Name) and root.id in imported:
            names.add(node.attr)
    return frozenset(names).union(*map(names_in, helpers(file)))


@functools.cache
def phrases_in(file: Path) -> frozenset[tuple[str, ...]]:
    """All four words in a row of the strings of a file and of its helpers, except for docstrings."""
    documentation = {id(node.value) for node in nodes(file) if isinstance(node, ast.Expr)}
    phrases: set[tuple[str, ...]] = set()
    for node in nodes(file):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            words = re.findall(r"[\w']+", node.value.replace("\\", "").lower())
            phrases.update(zip(words, words[1:], words[2:], words[3:], strict=False))
    return frozenset(phrases).union(*map(phrases_in, helpers(file)))


@functools.cache
def users() -> dict[str, set[str]]:
    """The modules that import names of a module."""
    found: dict[str, set[str]] = defaultdict(set)
    homes = {name: module for module in MODULES for name in definitions(module) if NUMBER_OF_DEFINITIONS[name] == 1}
    paths = {dotted(module): module for module in MODULES}
    for user in MODULES:
        for node in nodes(SOURCES / user):
            if isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] == "jmeta":
                for alias in node.names:
                    source = paths.get(str(node.module)) or paths.get(f"{node.module}.{alias.name}") or homes.get(alias.name)
                    found[source or ""].add(user)
    return found


@functools.cache
def killers() -> set[tuple[str, str]]:
    """Pairs of a module and a test file that must fail with a mutant of it."""
    return {(mutant.file, test.split("::")[0].removeprefix("tests/")) for mutant in read_list() for test in mutant.tests.split()}


EVERY_ALGORITHM = {"laws/test_laws.py", "test_ranges.py", "algorithms/test_base.py"}
"""Test files that test all registered algorithms, and so the settings and learners that algorithms are made of."""


def refers(test: str, module: str) -> str | None:
    """How a test file refers to a module, or None."""
    if test in EVERY_ALGORITHM and module.startswith(("algorithms/", "inner/", "outer/", "settings.py")):
        return "it tests every algorithm"
    if (module, test) in killers():
        return "a mutant of the module names it"
    names = names_in(TESTS / test)
    if names & names_of(module):
        return "it uses a name of the module"
    if phrases_in(TESTS / test) & phrases_in(SOURCES / module):
        return "it has words of a message of the module"
    near = {user for user in users()[module] if PurePosixPath(user).parent == PurePosixPath(module).parent}
    near |= users()[module] if len(users()[module]) == 1 else set()
    if any(names & names_of(user) for user in near):
        return "it uses a name of a module beside it that imports the module"
    return None


# The list


@pytest.mark.parametrize("module", ELSEWHERE)
def test_a_module_has_tests_of_its_own_path_or_one_entry(module: str) -> None:
    entries = entries_of(module)
    assert entries, (
        f"src/jmeta/{module} has no test file of its path: write tests/{mirrored(module)}, "
        "or name in tests/where.toml the test files that test what the module does"
    )
    assert len(entries) == 1, (
        f"src/jmeta/{module} is matched by the patterns {', '.join(entries)} of tests/where.toml: give it an entry of its own"
    )
    for test in listed_for(module):
        assert test in FILES, f"tests/where.toml names tests/{test} for src/jmeta/{module}, and there is no such test file"
        assert refers(test, module), (
            f"tests/where.toml names tests/{test} for src/jmeta/{module}, but that file uses no name or message of the module or "
            "of one beside it that imports it, and no mutant of the module names that file: name the test files that test it"
        )


@pytest.mark.parametrize("entry", WHERE)
def test_an_entry_is_of_use_and_names_tests(entry: str) -> None:
    assert any(entries_of(module) == [entry] for module in ELSEWHERE), (
        f"the entry {entry!r} of tests/where.toml is the one entry of no module without a test file of its path: delete it"
    )
    tests = WHERE[entry]
    assert tests, f"the entry {entry!r} of tests/where.toml names no test file"
    assert len(set(tests)) == len(tests), f"the entry {entry!r} of tests/where.toml names a test file twice"


def test_most_test_files_refer_to_few_modules() -> None:
    """A check that any test file passed for any module would check nothing."""
    named = {test for tests in WHERE.values() for test in tests}.intersection(FILES) - EVERY_ALGORITHM
    pairs = [(test, module) for module in ELSEWHERE for test in named if test not in listed_for(module)]
    assert sum(refers(*pair) is not None for pair in pairs) < 0.15 * len(pairs)
    assert refers("training/test_loggers.py", "tasks/grid.py") is None
    assert refers("tasks/test_grids.py", "training/progress.py") is None
    assert refers("references/test_gittins.py", "networks/transformer.py") is None
