"""What every section of params.yaml has in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


class Section(BaseModel):
    """Base of all sections: immutable, no coercion, no unknown keys."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", protected_namespaces=())
