"""Write docs/openapi.json from the sidecar's own description of itself."""

from __future__ import annotations

import json
from pathlib import Path

from router.proxy.document import document

Path(__file__).with_name("openapi.json").write_text(json.dumps(document(), indent=1) + "\n", encoding="utf-8")
