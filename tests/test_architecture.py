"""What may import what, and what no file may hold: read from the sources, not from a run."""

from __future__ import annotations

import ast
import importlib
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CORE = ROOT / "orchestrix_core"

# Data flows one way. A module of the core imports only from those that stand before it.
ORDER = [
    "errors", "context", "registry", "_definition", "messages", "records",
    "_exact", "validation", "_plans", "_fields", "_codec", "_converter", "json_encoder",
    "serialization",
    "stores", "_wrapping", "documents", "buses", "instrumentation", "_watching",
    "_unit", "_collecting",
    "handlers",
    "secrets", "_deprecation", "hookspecs", "_requirements", "_discovery", "_providers", "plugins",
    "configuration",
    "aggregates", "subscriptions", "projections", "commands", "timers", "components", "sagas",
    "_projecting", "_parts", "_patient", "_embedded", "_hearing", "_in_flight", "_engine",
    "_backends", "_signals", "application", "asgi", "testing", "cli",
]  # fmt: skip

PACKAGES = {
    "orchestrix_core": CORE,
    "orchestrix.infrastructure.memory": ROOT
    / "plugins/memory/src/orchestrix/infrastructure/memory",
    "orchestrix.infrastructure.sqlite": ROOT
    / "plugins/sqlite/src/orchestrix/infrastructure/sqlite",
    "orchestrix.infrastructure.postgres": ROOT
    / "plugins/postgres/src/orchestrix/infrastructure/postgres",
    "orchestrix.infrastructure.observability.jaeger": ROOT
    / "plugins/jaeger/src/orchestrix/infrastructure/observability/jaeger",
    "orchestrix.infrastructure.observability.prometheus": ROOT
    / "plugins/prometheus/src/orchestrix/infrastructure/observability/prometheus",
    "orchestrix_contract_tests": ROOT / "contract_tests/src/orchestrix_contract_tests",
}
DISTRIBUTIONS = {
    "orchestrix-core": ROOT,
    "orchestrix-memory": ROOT / "plugins/memory",
    "orchestrix-sqlite": ROOT / "plugins/sqlite",
    "orchestrix-postgres": ROOT / "plugins/postgres",
    "orchestrix-jaeger": ROOT / "plugins/jaeger",
    "orchestrix-prometheus": ROOT / "plugins/prometheus",
    "orchestrix-contract-tests": ROOT / "contract_tests",
}
NAMESPACES = ("orchestrix", "orchestrix/infrastructure", "orchestrix/infrastructure/observability")

# Who knows of a backend by name although nothing of the core may depend on one.
MAY_NAME_BACKENDS = {
    "_providers.py": "says which distribution to install for a backend that is missing",
}
BACKEND = re.compile(
    r"\b(in.?memory|orchestrix.memory|sqlite3?|postgres\w*|jaeger|prometheus)\b|^memory$",
    re.IGNORECASE,
)
BACKEND_LIBRARIES = {"sqlite3", "asyncpg", "opentelemetry", "prometheus_client", "orchestrix"}

SQL = re.compile(
    r"\s*((?-i:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP)\b"
    r"|select\s.*\bfrom\b|insert\s+(or\s+\w+\s+)?into\b|update\s+\w+\s+set\b"
    r"|delete\s+from\b|(create|alter|drop)\s+(\w+\s+)?(table|index|view|trigger)\b)",
    re.IGNORECASE | re.DOTALL,
)


def sources(package: str) -> list[Path]:
    return sorted(PACKAGES[package].rglob("*.py"))


EVERY_SOURCE = [path for package in PACKAGES for path in sources(package)]


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_source = pytest.mark.parametrize("path", EVERY_SOURCE, ids=relative)
each_package = pytest.mark.parametrize("package", PACKAGES)
each_distribution = pytest.mark.parametrize("name", DISTRIBUTIONS)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), relative(path))


class _RunTimeImports(ast.NodeVisitor):
    """Collects what a module imports when it runs; `if TYPE_CHECKING:` is for annotations."""

    def __init__(self) -> None:
        self.found: list[tuple[int, str, str | None]] = []

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self.generic_visit(node)

    def visit_Import(self, node: ast.Import) -> None:
        self.found += [(node.lineno, alias.name, None) for alias in node.names]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        assert node.level == 0, f"line {node.lineno}: import by the full path, not a relative one"
        self.found += [(node.lineno, node.module or "", alias.name) for alias in node.names]


def imports(path: Path) -> list[tuple[int, str, str | None]]:
    visitor = _RunTimeImports()
    visitor.visit(parsed(path))
    return visitor.found


def core_unit(path: Path) -> str:
    return path.relative_to(CORE).parts[0].removesuffix(".py")


def core_imports(path: Path) -> Iterator[tuple[int, str]]:
    """The modules of the core that `path` imports; a subpackage counts as one unit."""
    for line, module, name in imports(path):
        if module == "orchestrix_core":
            yield line, name or "__init__"
        elif module.startswith("orchestrix_core."):
            yield line, module.split(".")[1]


CORE_MODULES = [path for path in sources("orchestrix_core") if path != CORE / "__init__.py"]


@pytest.mark.parametrize("path", CORE_MODULES, ids=relative)
def test_core_imports_run_one_way(path: Path) -> None:
    unit = core_unit(path)
    assert unit in ORDER, f"give {unit} its place in ORDER, after all that it imports"
    for line, imported in core_imports(path):
        assert imported in ORDER, f"line {line}: import from the module that defines {imported}"
        if imported != unit:
            late = f"line {line}: {unit} imports {imported}, which stands after it"
            assert ORDER.index(imported) < ORDER.index(unit), late


def test_the_order_has_no_name_twice() -> None:
    assert len(ORDER) == len(set(ORDER))


def _docstrings(tree: ast.Module) -> set[int]:
    """The constants that are prose: a string standing alone as a statement."""
    return {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every string of the code itself, the parts of f-strings too, docstrings left out."""
    tree = parsed(path)
    prose = _docstrings(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield node.lineno, node.value


def names(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Name):
            yield node.lineno, node.id
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.lineno, node.name


@pytest.mark.parametrize("path", sources("orchestrix_core"), ids=relative)
def test_core_imports_no_backend(path: Path) -> None:
    for line, module, _ in imports(path):
        assert module.split(".")[0] not in BACKEND_LIBRARIES, f"line {line}: {module}"


@pytest.mark.parametrize("path", sources("orchestrix_core"), ids=relative)
def test_core_names_no_backend(path: Path) -> None:
    if path.relative_to(CORE).as_posix() in MAY_NAME_BACKENDS:
        return
    for line, text in [*strings(path), *names(path)]:
        assert not BACKEND.search(text), f"line {line} names a backend: {text!r}"


def test_who_may_name_backends_is_there_and_does() -> None:
    for name, reason in MAY_NAME_BACKENDS.items():
        assert any(BACKEND.search(text) for _, text in strings(CORE / name)), reason


def _modules(path: Path) -> Iterator[tuple[int, str]]:
    """Each module that `path` imports, `from package import module` included."""
    for line, module, name in imports(path):
        yield line, module
        if name:
            yield line, f"{module}.{name}"


EXAMPLE = ROOT / "examples/orchestrix-jsonl/src"


@pytest.mark.parametrize("path", sorted(EXAMPLE.rglob("*.py")), ids=relative)
def test_the_plugin_of_a_stranger_imports_only_what_is_public(path: Path) -> None:
    for line, module in _modules(path):
        if module.startswith("orchestrix_core."):
            private = any(part.startswith("_") for part in module.split("."))
            assert not private, f"line {line}: {module} is private to the core"


def test_the_modules_that_are_called_public_are_there() -> None:
    page = (ROOT / "docs/stability.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`orchestrix_[^|]*) \|", page, re.MULTILINE)
    names = {name for row in rows for name in re.findall(r"`(\w+(?:\.\w+)*)`", row)}
    assert len(names) > 10
    for name in names - {"orchestrix_contract_tests"}:
        assert importlib.import_module(name).__all__, name


@each_package
def test_a_plugin_imports_nothing_of_another(package: str) -> None:
    for path in sources(package):
        for line, module, name in imports(path):
            whole = f"{module}.{name}" if name else module
            if module.split(".")[0] == "orchestrix":
                assert whole.startswith(package), f"{relative(path)}:{line} imports {whole}"


@each_source
def test_a_module_fits_in_the_head(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


# Who may write statements in Python, and why.
MAY_HOLD_SQL = {
    "contract_tests/src/orchestrix_contract_tests/contracts/document_sql.py": (
        "each of its statements is what the test around it is about"
    ),
}


@each_source
def test_sql_lives_in_sql_files(path: Path) -> None:
    found = [line for line, text in strings(path) if SQL.match(text)]
    if reason := MAY_HOLD_SQL.get(relative(path)):
        assert found, f"no SQL is left, though {reason}"
        return
    for line, text in strings(path):
        assert not SQL.match(text), f"line {line}: {text!r} belongs in a .sql file, under a name"


@pytest.mark.parametrize(
    ("text", "is_sql"),
    [
        ("SELECT 1", True),
        ("\n  select id from events", True),
        ("insert or ignore into events values (?)", True),
        ("CREATE TABLE t (a)", True),
        ("delete from events", True),
        ("select a backend in orchestrix.toml", False),
        ("create", False),
        ("update the file", False),
    ],
)
def test_the_search_for_sql_finds_sql(text: str, is_sql: bool) -> None:
    assert bool(SQL.match(text)) is is_sql


# Who may also look up its public names when they are asked for, and why.
LAZY = {
    "contract_tests/src/orchestrix_contract_tests/__init__.py": "every pytest run imports it",
    "contract_tests/src/orchestrix_contract_tests/contracts/__init__.py": "so do the children",
}
INIT_FILES = [path for path in EVERY_SOURCE if path.name == "__init__.py"]


@each_package
def test_each_package_has_an_init_and_py_typed(package: str) -> None:
    assert (PACKAGES[package] / "__init__.py").is_file()
    assert (PACKAGES[package] / "py.typed").is_file()


@pytest.mark.parametrize("path", INIT_FILES, ids=relative)
def test_init_holds_docstring_imports_and_sorted_all(path: Path) -> None:
    tree = parsed(path)
    assert ast.get_docstring(tree), "the docstring says what the package is for"
    for node in tree.body[1:]:
        allowed = isinstance(node, ast.Import | ast.ImportFrom) or _is_all(node)
        allowed |= relative(path) in LAZY and _is_lazy(node)
        assert allowed, f"line {node.lineno}: move this to a module: {ast.unparse(node)}"
    for node in filter(_is_all, tree.body):
        exported = ast.literal_eval(node.value)  # type: ignore[attr-defined]  # _is_all looked
        assert list(exported) == sorted(exported, key=_by_ruff), "sort __all__"
        assert len(set(exported)) == len(exported)


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"


def _is_lazy(node: ast.stmt) -> bool:
    if isinstance(node, ast.If):
        return ast.unparse(node.test) == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef) and node.name == "__getattr__"


def _by_ruff(name: str) -> tuple[int, str]:
    """CONSTANTS, then Classes, then functions: the order that the linter keeps."""
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return kind, name


@pytest.mark.parametrize("namespace", NAMESPACES)
@each_distribution
def test_nothing_sits_in_the_shared_namespace(name: str, namespace: str) -> None:
    folder = DISTRIBUTIONS[name] / "src" / namespace
    files = [path for path in folder.glob("*") if path.is_file()]
    assert files == [], "one file here breaks every other plugin's imports"


def project(name: str) -> dict[str, object]:
    text = (DISTRIBUTIONS[name] / "pyproject.toml").read_text(encoding="utf-8")
    metadata = tomllib.loads(text)["project"]
    assert isinstance(metadata, dict)
    return metadata


VERSION = str(project("orchestrix-core")["version"])


@each_distribution
def test_versions_are_in_step(name: str) -> None:
    metadata = project(name)
    assert metadata["name"] == name
    assert metadata["version"] == VERSION


@each_distribution
def test_distributions_pin_each_other_exactly(name: str) -> None:
    metadata = project(name)
    dependencies = metadata["dependencies"]
    assert isinstance(dependencies, list)
    ours = [item for item in dependencies if item.startswith("orchestrix")]
    expected = [] if name == "orchestrix-core" else [f"orchestrix-core=={VERSION}"]
    assert ours == expected


@each_distribution
def test_distributions_carry_readme_and_licence(name: str) -> None:
    folder = DISTRIBUTIONS[name]
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
    assert (folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()


@each_distribution
def test_distributions_support_the_same_pythons(name: str) -> None:
    assert project(name)["requires-python"] == project("orchestrix-core")["requires-python"]
