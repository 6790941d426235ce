"""What all parts of a file's shape share: camelCase keys, no unknown ones, and the parts used in several places."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from gitops_rollback.adapters.policies.leaves import KindName
from gitops_rollback.adapters.policies.scalars import Name
from gitops_rollback.core.written import SKIP_MARKER, Written


class Shape(BaseModel):
    """A mapping of the file: keys as in Kubernetes, every other key an error."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """With the line below each key as its description.

        Only who prints a schema has the source read for it: pydantic's own `use_attribute_docstrings` does so for each
        class at each start.
        """
        shown = handler(schema)
        properties = handler.resolve_ref_schema(shown).get("properties", {})
        for name, text in _lines_below(cls.__module__).get(cls.__name__, {}).items():
            properties[cls.model_fields[name].alias or name]["description"] = text
        return shown


class WorkloadShape(Shape):
    kind: KindName
    namespace: Name
    name: Name


class FreeMapping:
    """A mapping whose keys are those of a feature that is not built yet: kept as it stands, never acted upon."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(FreeMapping.check)

    @staticmethod
    def __get_pydantic_json_schema__(schema: core_schema.CoreSchema, handler: Any) -> dict[str, Any]:
        return {"type": "object"}

    @staticmethod
    def check(value: object) -> object:
        """`value` if it is a mapping or a list. Raises: PydanticCustomError."""
        if isinstance(value, Written):
            raise PydanticCustomError("misspelt", "{message}", {"message": "must be a mapping", "fix": ""})
        return value


Free = Annotated[object, FreeMapping]


def schema_of(whole: type[Shape]) -> dict[str, Any]:
    """A file's shape as JSON Schema draft-07, the newest that the YAML language server reads.

    It may lie in the config repository: a recursing Argo CD application would else take the JSON file for a manifest.
    """
    schema = whole.model_json_schema(by_alias=True, ref_template="#/definitions/{model}")
    definitions = schema.pop("$defs")
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "$comment": f"# {SKIP_MARKER}"}
    document = {**head, **schema, "definitions": definitions}
    cleaned = _without_nulls(document)
    return cleaned if isinstance(cleaned, dict) else document


@lru_cache
def _lines_below(module: str) -> Mapping[str, Mapping[str, str]]:
    """For each class of a module the text that stands below each of its fields."""
    source = ast.parse(inspect.getsource(sys.modules[module]))
    return {one.name: dict(_texts(one.body)) for one in source.body if isinstance(one, ast.ClassDef)}


def _texts(body: Iterable[ast.stmt]) -> Iterator[tuple[str, str]]:
    for field, below in pairwise(body):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                yield name, inspect.cleandoc(text)


def _without_nulls(node: object) -> object:
    """Without the null alternatives that optional fields have in Python: a key is left out, never null."""
    if isinstance(node, list):
        return [_without_nulls(item) for item in node if item != {"type": "null"}]
    if not isinstance(node, dict):
        return node
    kept = {key: _without_nulls(value) for key, value in node.items() if key != "default" or _plain_default(value)}
    alternatives = kept.get("anyOf")
    if isinstance(alternatives, list) and len(alternatives) == 1:
        del kept["anyOf"]
        kept = {**alternatives[0], **kept}
    return kept


def _plain_default(value: object) -> bool:
    return value is not None and not isinstance(value, dict | list)
