"""`python -m service.openapi`: writes the API document to standard output, as docs/openapi.json holds it.

Needs no settings, no Redis and no models.
"""

import json
import sys

from service.app import create_api


def main() -> int:
    json.dump(create_api().openapi(), sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
