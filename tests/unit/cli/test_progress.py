"""The line that tells how far long work is: in a terminal alone, and gone when the work is done."""

import io
from collections.abc import Callable

from webhook.cli.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def clock(*seconds: float) -> Callable[[], float]:
    return iter(seconds).__next__


def test_long_work_is_told_of_at_once_and_the_line_goes_when_it_ends() -> None:
    terminal = Terminal()
    progress = Progress("document", 2, long=True, stream=terminal, clock=clock(0, 0, 3))
    assert list(progress.of("ab")) == ["a", "b"]
    assert terminal.getvalue() == "\rdocument 1 of 2\x1b[K\rdocument 2 of 2, 3 s\x1b[K\r\x1b[K"


def test_one_thing_that_takes_long_is_told_of_while_it_does() -> None:
    terminal = Terminal()
    progress = Progress("request", 1, long=False, stream=terminal, clock=clock(0, 0, 0.4, 0.6, 0.7, 2))
    for _ in progress.of("a"):
        assert [progress.tick() for _ in range(4)] == [False] * 4
    assert terminal.getvalue() == "\rrequest 1 of 1\x1b[K\rrequest 1 of 1, 2 s\x1b[K\r\x1b[K"


def test_short_work_says_nothing() -> None:
    terminal = Terminal()
    assert list(Progress("document", 1, long=False, stream=terminal, clock=clock(0, 0.1)).of("a")) == ["a"]
    assert terminal.getvalue() == ""


def test_the_line_goes_where_the_work_is_given_up() -> None:
    terminal = Terminal()
    items = Progress("document", 2, long=True, stream=terminal, clock=clock(0, 0)).of("ab")
    assert next(items) == "a"
    items.close()
    assert terminal.getvalue() == "\rdocument 1 of 2\x1b[K\r\x1b[K"


def test_what_is_piped_stays_plain() -> None:
    pipe = io.StringIO()
    assert list(Progress("document", 2, long=True, stream=pipe).of("ab")) == ["a", "b"]
    assert pipe.getvalue() == ""
