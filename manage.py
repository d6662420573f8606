#!/usr/bin/env python
"""Django's command line for Countersign."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    # The settings are read on import, so the line above comes first.
    from django.core.exceptions import ImproperlyConfigured  # noqa: PLC0415 - see above
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - see above

    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.exit(f"CommandError: {error}")


if __name__ == "__main__":
    main()
