"""How a second factor is refused, whichever it is."""


class FactorRefused(Exception):
    """The proof of presence was not accepted; the text says why, and what to do."""


class TooManyTries(FactorRefused):
    """Not even looked at: there were too many tries lately; the text says how long to wait."""
