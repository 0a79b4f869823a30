"""Writes docs/api.md from the docstrings of the public API: `python docs/make_api.py`.

Documented are the classes in `mnist_edge.__all__`, the pictures that they take, and the tree of
errors. `tests/integration/test_readme.py` checks that the page is current.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import mnist_edge
from mnist_edge import MnistEdgeError, errors, types

PAGE = Path(__file__).with_name("api.md")

_INTRODUCTION = """\
# Python API

What you can do here: predict pictures from Python. This page is made from the docstrings by
`python docs/make_api.py`. Everything public is in `mnist_edge.__all__`; other modules may change.

```python
from mnist_edge import DigitClassifier, ImageError

classifier = DigitClassifier()  # loads the bundled model once; use it for many pictures
prediction = classifier.predict("samples/7-chalk.jpg")
print(prediction.digit, prediction.confidence, prediction.probabilities)

for prediction in classifier.stream(["samples/2-card.jpg", "missing.jpg"]):
    print(prediction.path, prediction.digit, prediction.error)

try:
    classifier.predict("missing.jpg")
except ImageError as error:
    print(error)
```

`predict` raises an `ImageError` if a picture cannot be read; `stream` yields a `Prediction` with
its `error` instead, and continues. A rejected prediction never raises: it has an `error`, and its
`digit` is `None`.
"""

_SECTION = re.compile(r"^(Args|Attributes|Returns|Yields|Raises):$")


def page() -> str:
    """The text of the page."""
    public = [getattr(mnist_edge, name) for name in mnist_edge.__all__]
    lines = [_INTRODUCTION]
    for documented in public:
        if inspect.isclass(documented) and not issubclass(documented, MnistEdgeError):
            lines += _class(documented)
    lines += ["## `ImageSource`", "", _alias_docstring("ImageSource"), ""]
    lines += _errors()
    lines += ["## `__version__`", "", "The version of mnist-edge, as text."]
    return "\n".join(lines) + "\n"


def _class(documented: type) -> list[str]:
    """A class: its docstring, then its public properties and methods in the order of the source."""
    lines = [f"## `{documented.__name__}`", ""]
    if not dataclasses.is_dataclass(documented):
        lines += _signature(documented.__name__, documented)
    lines += _markdown(inspect.getdoc(documented) or "")
    for name, member in vars(documented).items():
        if name.startswith("_"):
            continue
        if isinstance(member, property):
            lines += [f"### `{documented.__name__}.{name}`", ""]
            lines += _markdown(inspect.getdoc(member) or "")
        elif inspect.isfunction(member):
            lines += [f"### `{documented.__name__}.{name}()`", ""]
            lines += _signature(name, member)
            lines += _markdown(inspect.getdoc(member) or "")
    return lines


def _signature(name: str, function: Callable[..., object]) -> list[str]:
    """The signature as Python code; annotations as they stand in the source."""
    signature = inspect.signature(function)
    parameters = [
        parameter for parameter in signature.parameters.values() if parameter.name != "self"
    ]
    texts = []
    for parameter in parameters:
        is_first_keyword = parameter.kind is parameter.KEYWORD_ONLY and "*" not in texts
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        texts += ["*"] * is_first_keyword + [f"{parameter.name}: {parameter.annotation}{default}"]
    returned = "" if signature.return_annotation == "None" else f" -> {signature.return_annotation}"
    return ["```python", f"{name}({', '.join(texts)}){returned}", "```", ""]


def _markdown(docstring: str) -> list[str]:
    """A docstring of Google's style as Markdown: sections become lists."""
    lines = []
    section = ""
    for line in _single_backticks(docstring).splitlines():
        if match := _SECTION.match(line):
            section = match[1]
            lines += [f"**{section}**", ""]
        elif section and line and not line.startswith(" "):
            section = ""
            lines.append(line)
        elif section in ("Returns", "Yields"):
            lines.append(line.strip())
        elif section and (match := re.match(r"^    (\w[\w, ]*): (.*)", line)):
            names = ", ".join(f"`{name}`" for name in match[1].split(", "))
            lines.append(f"- {names}: {match[2]}")
        elif section:
            lines.append(line.replace("        ", "  ", 1))
        else:
            lines.append(line)
    return [*_fenced_examples(lines), ""]


def _single_backticks(docstring: str) -> str:
    """Code as Markdown marks it, rather than reStructuredText."""
    return docstring.replace("``", "`")


def _fenced_examples(lines: list[str]) -> Iterator[str]:
    """Puts examples of an interpreter into code blocks."""
    is_example = False
    for line in lines:
        if line.startswith(">>>") and not is_example:
            yield "```pycon"
            is_example = True
        elif is_example and not line.strip():
            yield "```"
            is_example = False
        yield line.split("  # doctest:")[0]
    if is_example:
        yield "```"


def _alias_docstring(name: str) -> str:
    """The text under an alias in `mnist_edge.types`, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(types)).body
    for statement, following in itertools.pairwise(body):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.target.id == name
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
        ):
            return _single_backticks(inspect.cleandoc(str(following.value.value)))
    raise AssertionError(name)


def _errors() -> list[str]:
    """The tree of errors as it is drawn in the module, and what each one means."""
    drawn = inspect.cleandoc((errors.__doc__ or "").split("::\n", 1)[1])
    lines = ["## Errors", "", "```", drawn, "```", "", "| error | when |", "|---|---|"]
    for name in re.findall(r"\w+Error\b", drawn):
        summary, *_ = (inspect.getdoc(getattr(errors, name)) or "").splitlines()
        lines.append(f"| `{name}` | {summary} |")
    return [*lines, ""]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
