"""The next item is computed in another thread while the present one is used."""

import threading

import pytest

from ser.training.ahead import ahead


def test_the_next_item_is_computed_while_one_is_used():
    begun = [threading.Event() for _ in range(3)]

    def items():
        for number, event in enumerate(begun):
            event.set()
            yield number

    seen = []
    for number in ahead(items()):
        for event in begun[: number + 2]:
            assert event.wait(timeout=60)
        seen.append(number)

    assert seen == [0, 1, 2]


def test_items_are_computed_one_after_the_other_in_one_other_thread():
    threads = set()

    def items():
        for number in range(5):
            threads.add(threading.get_ident())
            yield number

    assert list(ahead(items())) == [0, 1, 2, 3, 4]
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_reaches_the_user_of_the_items():
    def items():
        yield 1
        raise ValueError("no second item")

    upcoming = ahead(items())
    assert next(upcoming) == 1
    with pytest.raises(ValueError, match="no second item"):
        next(upcoming)


def test_no_thread_is_left_if_the_user_stops_early():
    before = threading.active_count()

    upcoming = ahead(iter(range(1000)))
    assert next(upcoming) == 0
    upcoming.close()

    assert threading.active_count() == before


def test_none_is_an_item():
    assert list(ahead(iter([None, 1, None]))) == [None, 1, None]
