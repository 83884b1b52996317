"""W3C Trace Context (https://www.w3.org/TR/trace-context/): one trace over all services. Pure."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

TRACEPARENT_HEADER = "traceparent"
TRACESTATE_HEADER = "tracestate"

SAMPLED = 0x01

_TRACEPARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)

MOST_STATE_MEMBERS = 32
_STATE_MEMBER = re.compile(
    r"[ \t]*([a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}"
    r"[\x21-\x2b\x2d-\x3c\x3e-\x7e])?[ \t]*"
)


@dataclass(frozen=True, slots=True)
class TraceContext:
    """Where a request stands in its trace; ids are lower-case hexadecimal.

    Attributes:
        span_id: 16 digits, of what this process does for the request.
        parent_id: 16 digits, of the caller's span; None when the trace begins here.
        flags: 0 to 255; only `SAMPLED` is defined.
        state: what tracing systems on the way have noted, the `tracestate` header; "" for nothing.

    """

    trace_id: str
    span_id: str
    parent_id: str | None
    flags: int
    state: str = ""

    @property
    def header(self) -> str:
        """The `traceparent` that names this process as the parent."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def continue_trace(header: str | None, states: Sequence[str] = ()) -> TraceContext:
    """Go on with the caller's trace, or begin one where its header is absent or malformed.

    Args:
        header: `traceparent`.
        states: `tracestate` headers, which are one list; passed on as it is when it is well formed.

    """
    match = _TRACEPARENT.fullmatch(header) if header else None
    if match is None:
        return _new_trace()
    version, trace, span = match["version"], match["trace"], match["span"]
    # A version above 00 may have more fields; what comes first means the same.
    unknown = version == "ff" or (version == "00" and match["more"])
    if unknown or not int(trace, 16) or not int(span, 16):
        return _new_trace()
    flags = int(match["flags"], 16) & SAMPLED
    return TraceContext(trace, _span_id(), span, flags, _state(states) if states else "")


def _state(states: Sequence[str]) -> str:
    """The list, or "" when it is not well formed."""
    state = ",".join(states)
    members = state.split(",")
    fine = len(members) <= MOST_STATE_MEMBERS and all(map(_STATE_MEMBER.fullmatch, members))
    return state if fine else ""


def _new_trace() -> TraceContext:
    return TraceContext(random_id(32), _span_id(), None, 0)


def _span_id() -> str:
    return random_id(16)


def random_id(digits: int) -> str:
    """Hexadecimal digits that tell things apart and guard nothing, without a call of the system."""
    while True:
        number = random.getrandbits(4 * digits)
        if number:  # all zeros is no id
            return f"{number:0{digits}x}"
