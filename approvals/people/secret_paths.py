"""Addresses that let somebody in or read along, such as an invitation's. Kept out of logs."""

import logging
import re

# Django writes the path of every request that it refuses or fails at.
SECRET_PATH = re.compile(
    r"(/invitation/|/first-run/link/|/password/reset/key/|/calendar/)[^\s/?]+", re.IGNORECASE
)


class HideSecretPaths(logging.Filter):
    """Takes the secret out of such paths in whatever is about to be logged."""

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            return True  # the handler reports what is wrong with it
        if SECRET_PATH.search(message):
            record.msg, record.args = SECRET_PATH.sub(r"\1(hidden)", message), ()
        return True
