"""The check that a notebook's parameters cell and params.yaml speak of the same parameters, by name and by type."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import papermill

from unifiedlib.params import ParameterError, Value, nearest


def type_name(value: Value) -> str:
    """The type of a parameter as a parameters cell declares it.

    >>> type_name([0, 1]), type_name(1e-4), type_name(True)
    ('list[int]', 'float', 'bool')
    """
    if not isinstance(value, list):
        return type(value).__name__
    kinds = sorted({type(element).__name__ for element in value})
    return f"list[{' | '.join(kinds)}]" if kinds else "list"


def _fits(value: Value, declared: str) -> bool:
    kind = type_name(value)
    return declared == kind or (kind in ("list", "dict") and declared.startswith(f"{kind}["))


def declared_types(notebook: Path) -> dict[str, str]:
    """Name → declared type of each parameter in the notebook's parameters cell; 'None' where no type is written."""
    found = papermill.inspect_notebook(str(notebook))
    return {name: str(about["inferred_type_name"]).replace(" ", "") for name, about in found.items()}


def check_parameters(notebook: Path, values: Mapping[str, Value]) -> None:
    """Compare the parameters cell of `notebook` with the values it is about to get.

    Raises ParameterError, one sentence for the first difference: a parameter that only one side has, one without a
    type, or one whose value is of another type (elements of lists included).
    """
    declared = declared_types(notebook)
    if not declared:
        raise ParameterError(
            f"{notebook.name} has no parameters: tag the cell that declares them `parameters`"
        )
    for name in declared:
        if name not in values:
            known = tuple(other for other in values if other not in declared) or tuple(values)
            raise ParameterError(
                f"{notebook.name}: its parameters cell declares '{name}', which this stage has not; {nearest(name, known)}"
            )
    for name, value in values.items():
        if name not in declared:
            raise ParameterError(
                f"{notebook.name}: its parameters cell lacks '{name}'; add `{name}: {type_name(value)} = …` to it"
            )
        if declared[name] == "None":
            raise ParameterError(
                f"{notebook.name}: parameter '{name}' has no type; write `{name}: {type_name(value)} = …`"
            )
        if not _fits(value, declared[name]):
            raise ParameterError(
                f"{notebook.name}: parameter '{name}' is declared {declared[name]}, but its value {value!r} is "
                f"{type_name(value)}; make params.yaml and the parameters cell agree"
            )
