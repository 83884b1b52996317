"""What the operator says of an MLflow that does not answer."""

from housing_operator.clients.registry import steady


def test_a_message_is_the_same_each_time():
    first, second = (
        steady(f"<HTTPConnection object at 0x7f{n}a>: Connection\n refused") for n in (1, 2)
    )
    assert first == second
    assert "Connection refused" in first
