"""The traceparent header, by the table of https://www.w3.org/TR/trace-context/."""

import re

import pytest

from housing_serving.http.trace_context import continue_trace

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.mark.parametrize(
    ("header", "flags"),
    [
        (f"00-{TRACE}-{SPAN}-01", 1),
        (f"00-{TRACE}-{SPAN}-00", 0),
        (f"00-{TRACE}-{SPAN}-ff", 1),
        (f"cc-{TRACE}-{SPAN}-01", 1),
        (f"cc-{TRACE}-{SPAN}-01-what-is-new", 1),
    ],
)
def test_a_well_formed_header_is_gone_on_with(header: str, flags: int) -> None:
    trace = continue_trace(header)
    assert (trace.trace_id, trace.parent_id, trace.flags) == (TRACE, SPAN, flags)
    assert trace.header == f"00-{TRACE}-{trace.span_id}-0{flags}"
    assert trace.span_id != SPAN


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "nonsense",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-01\n",
    ],
)
def test_any_other_begins_a_new_trace(header: str | None) -> None:
    first, second = continue_trace(header), continue_trace(header)
    assert first.parent_id is None
    assert first.trace_id not in {TRACE, second.trace_id}
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-00", first.header)


@pytest.mark.parametrize(
    ("states", "passed_on"),
    [
        (["rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"], "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"),
        (["a=1", "b=2"], "a=1,b=2"),
        (["fw529a3039@dt=FfuPbm , ,b=2"], "fw529a3039@dt=FfuPbm , ,b=2"),
        ([",".join(f"k{i}=v" for i in range(33))], ""),
        (["Key=1"], ""),
        (["a=1,b"], ""),
        (["a=1=2"], ""),
        (["a=ş"], ""),
        (["a=" + "x" * 257], ""),
        ([], ""),
    ],
)
def test_the_state_of_a_trace_is_passed_on_when_it_is_well_formed(
    states: list[str], passed_on: str
) -> None:
    assert continue_trace(f"00-{TRACE}-{SPAN}-01", states).state == passed_on
    assert continue_trace(None, states).state == ""
