"""What all parts of the policy's shape share: camelCase keys, no unknown ones, and the parts used in several places."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError, core_schema

from gitops_rollback.adapters.policies.leaves import KindName
from gitops_rollback.adapters.policies.scalars import Name
from gitops_rollback.core.written import Written


class Shape(BaseModel):
    """A mapping of the policy: keys as in Kubernetes, every other key an error."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True
    )


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
