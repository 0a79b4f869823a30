"""Rules about which module may import which, and how long modules and functions may be.

Each rule is a function of parsed modules that returns its violations.
"""

from __future__ import annotations

import ast
import functools
import graphlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from tests.conftest import ROOT

__all__ = [
    "MOST_LINES_OF_FUNCTION",
    "MOST_LINES_OF_MODULE",
    "Modules",
    "both_packages",
    "folder",
    "forbidden_imports",
    "import_cycles",
    "imports_against_the_flow",
    "lengths",
    "made_up",
    "training_names",
]

MOST_LINES_OF_MODULE = 350
MOST_LINES_OF_FUNCTION = 80

TRAINING = (
    "mnist_edge_trainer",
    "torch",
    "torchvision",
    "onnx",
    "onnxscript",
    "matplotlib",
    "scipy",
    "sklearn",
)
"""Packages that the inference package must do without: a device does not have them."""

LAYERS = (
    ("types", "errors", "options", "_pyinstaller"),
    ("mnist",),
    ("inputs",),
    ("preprocess",),
    ("runtime", "onnx_file", "bundled"),
    ("model",),
    ("numbers",),
    ("classifier", "reader"),
    ("__init__",),
    ("outputs",),
    ("batch",),
    ("integrations",),
    ("bench",),
    ("serve",),
    ("cli",),
    ("__main__",),
)
"""The flow of data in the inference package: a module imports from its own folder and from the rows
above it."""


class Import(NamedTuple):
    """A module that another one imports, at a line of it."""

    importer: str
    imported: str
    line: int
    for_types: bool  # it stands under `if TYPE_CHECKING:`

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@dataclass(frozen=True)
class Module:
    """A parsed module; a package has the name of its folder."""

    name: str
    source: str
    is_package: bool = False

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source)

    @functools.cached_property
    def imports(self) -> list[Import]:
        """Every import, wherever it stands; that of a name in a module ends with the name."""
        return [
            Import(self.name, name, getattr(node, "lineno", 0), for_types)
            for node, for_types in _nodes(self.tree)
            for name in _imported_names(node, self)
        ]


Modules = Mapping[str, Module]


@functools.cache
def both_packages() -> Modules:
    """Every module of both packages, by name."""
    modules = {}
    for folder in (ROOT / "infer", ROOT / "trainer"):
        for path in sorted(folder.rglob("*.py")):
            *parents, stem = path.relative_to(folder).with_suffix("").parts
            name = ".".join(parents if stem == "__init__" else [*parents, stem])
            modules[name] = Module(name, path.read_text(encoding="utf-8"), stem == "__init__")
    return modules


def made_up(**sources: str) -> Modules:
    """Modules of given source; `a__b` stands for `a.b`, and whatever has modules is a package."""
    named = {name.replace("__", "."): source for name, source in sources.items()}
    return {
        name: Module(name, source, any(other.startswith(f"{name}.") for other in named))
        for name, source in named.items()
    }


# What imports what


def imports(modules: Modules) -> list[Import]:
    """Every import of every module, of the name of a module where that is among them."""
    return [
        edge._replace(imported=parent)
        if edge.imported not in modules and parent in modules
        else edge
        for module in modules.values()
        for edge in module.imports
        for parent in [edge.imported.rpartition(".")[0]]
    ]


def _nodes(node: ast.AST, for_types: bool = False) -> Iterator[tuple[ast.AST, bool]]:
    """A node and all below it; with each, whether it stands under `if TYPE_CHECKING:`."""
    yield node, for_types
    guarded: list[ast.stmt] = []
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        guarded = node.body
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, for_types or child in guarded)


def _imported_names(node: ast.AST, module: Module) -> list[str]:
    match node:
        case ast.Import():
            return [alias.name for alias in node.names]
        case ast.ImportFrom():
            base = node.module.split(".") if node.module else []
            if node.level:
                parents = module.name.split(".")
                base = parents[: len(parents) - node.level + module.is_package] + base
            return [".".join([*base, alias.name]) for alias in node.names]
        case ast.Call(args=[ast.Constant(value=str(name)), *_]):
            return [name] if ast.unparse(node.func).endswith("import_module") else []
    return []


def lies_in(name: str, *packages: str) -> bool:
    """Whether a module is one of some packages, or lies in one of them."""
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def layer_of(name: str) -> str:
    """Folder or module right below the package: `mnist_edge.inputs.png` -> `inputs`."""
    return name.split(".")[1] if "." in name else "__init__"


# The rules


def import_cycles(modules: Modules, node_of: Callable[[str], str] = str) -> list[str]:
    """A circle of imports, ``a <- b``: a is imported by b. Those for types count for nothing.

    Args:
        modules: all that there are.
        node_of: the name of a module -> what is compared, the module itself or its folder.
    """
    graph: dict[str, set[str]] = {}
    for edge in imports(modules):
        importer, imported = node_of(edge.importer), node_of(edge.imported)
        if edge.imported in modules and importer != imported and not edge.for_types:
            graph.setdefault(importer, set()).add(imported)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return [" <- ".join(error.args[1])]
    return []


def folder(name: str) -> str:
    """Folder of a module; a module that lies beside the folders stands for itself."""
    return ".".join(name.split(".")[:2])


def forbidden_imports(
    modules: Modules, importers: Iterable[str], forbidden: Iterable[str], but: Iterable[str] = ()
) -> list[str]:
    """Imports of some packages by others, those for types included; `but`: importers that may."""
    violations = [
        str(edge)
        for edge in imports(modules)
        if lies_in(edge.importer, *importers)
        and not lies_in(edge.importer, *but)
        and lies_in(edge.imported, *forbidden)
    ]
    return list(dict.fromkeys(violations))


def training_names(modules: Modules) -> list[str]:
    """Training packages that the inference package imports, or names in a string of its code."""
    name = re.compile(rf"({'|'.join(TRAINING)})(\.|$)")
    violations = forbidden_imports(modules, ["mnist_edge"], TRAINING)
    for module in modules.values():
        if lies_in(module.name, "mnist_edge"):
            violations += [
                f"{module.name}:{node.lineno} names {node.value}"
                for node in ast.walk(module.tree)
                if isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and name.match(node.value)
            ]
    return violations


def imports_against_the_flow(modules: Modules) -> list[str]:
    """Imports in the inference package of a later step, or of a part that `LAYERS` has not."""
    row_of = {name: row for row, names in enumerate(LAYERS) for name in names}
    violations = [
        f"{name}: has no place in LAYERS"
        for name in modules
        if lies_in(name, "mnist_edge") and layer_of(name) not in row_of
    ]
    for edge in imports(modules):
        if not (lies_in(edge.importer, "mnist_edge") and lies_in(edge.imported, "mnist_edge")):
            continue
        importer, imported = layer_of(edge.importer), layer_of(edge.imported)
        if importer != imported and row_of.get(imported, 0) >= row_of.get(importer, 0):
            violations.append(str(edge))
    return violations


def lengths(modules: Modules) -> dict[str, int]:
    """Lines of the modules and functions that have more than they may, by name."""
    too_long = {}
    for module in modules.values():
        lines = len(module.source.splitlines())
        if lines > MOST_LINES_OF_MODULE:
            too_long[module.name] = lines
        for node in ast.walk(module.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines > MOST_LINES_OF_FUNCTION:
                    too_long[f"{module.name}:{node.name}"] = lines
    return too_long
