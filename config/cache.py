"""What the cache may hold: JSON. Django's own serializer would run what it reads as a pickle."""

import json
from typing import Any


class JSONSerializer:
    """For Django's Redis cache: somebody who can write to Redis must not run code here."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> Any:
        return json.loads(data)
