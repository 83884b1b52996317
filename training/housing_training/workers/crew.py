"""Who does the work of a training: this process, or several pods (see `dask_crew`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class Crew(Protocol):
    """Calls functions, here or elsewhere; what comes out is the same.

    Attributes:
        is_spread: whether work is done in several places, and so in as small pieces as can be.

    """

    is_spread: bool

    def share(self, value: Any) -> Any:
        """A handle on something that many calls need; it is let go with the handle."""

    def map(
        self,
        function: Callable[[Any, Argument], Result],
        shared: Any,
        arguments: Sequence[Argument],
        *,
        fills_a_worker: bool = False,
    ) -> Iterator[Result]:
        """The function's results, in the order of the arguments.

        Args:
            function: of the shared value and an argument; importable by its name.
            shared: a handle.
            arguments: one for each call.
            fills_a_worker: a call uses all processors of its place by itself.

        """


class Alone:
    """This process, one call after the other, each when its result is asked for."""

    is_spread = False

    def share(self, value: Any) -> Any:
        """The value itself."""
        return value

    def map(
        self,
        function: Callable[[Any, Argument], Result],
        shared: Any,
        arguments: Sequence[Argument],
        *,
        fills_a_worker: bool = False,  # noqa: ARG002 - every call has all there is
    ) -> Iterator[Result]:
        """See `Crew`."""
        return (function(shared, argument) for argument in arguments)


ALONE = Alone()
