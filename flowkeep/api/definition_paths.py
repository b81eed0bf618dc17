"""What routes of definitions have in their paths and queries."""

from typing import Annotated

from fastapi import Path, Query

Name = Annotated[str, Path(max_length=800, description="Its id or, of the own tenant, its ref.")]
Revision = Annotated[int, Query(ge=0, lt=2**63, description="The revision of a version.")]
