"""The errors that a person can act on; the command line turns them into one line and an exit status."""


def as_line(words: str) -> str:
    """The words as one line for a person, with what cannot be printed written as an escape.

    They may hold a name or a value from a file, and that must not reach a terminal as control characters.
    """
    first, *others = words.splitlines() or [""]
    line = " ".join([first.rstrip(), *(other.strip() for other in others)])
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class ToldError(Exception):
    """An error whose words are for a person: always one line, see `as_line`."""

    def __init__(self, words: str) -> None:
        super().__init__(as_line(words))


class InputError(ToldError):
    """What was handed in cannot be used (exit 2); the text is `<what>, <where>, <what to do>`."""


class NotAccepted(InputError):
    """What was asked for could be made, and is not good enough to be used: the answer is no (exit 1)."""


class AbsentError(InputError):
    """A device that is named, or the address of one, is not there now: a line that runs waits for it."""


class MissingError(ToldError):
    """A part that the job needs is not on this machine (exit 3); the text is `<what>, <where>, <what to do>`."""
