"""The one-slot mailbox between threads, and the meter."""

from __future__ import annotations

import threading
import time

import pytest

from didlive.flow import Latest, Meter

SOON_S = 10.0


def test_the_newest_value_wins_and_what_it_replaced_is_counted() -> None:
    box: Latest[int] = Latest()
    for number in range(5):
        box.put(number)
    assert box.take(0) == 4
    assert box.dropped == 4
    assert box.take(0) is None, "a value is taken once"


def test_a_value_that_was_taken_is_not_a_drop() -> None:
    box: Latest[int] = Latest()
    for number in range(5):
        box.put(number)
        assert box.take(0) == number
    assert box.dropped == 0


def test_peek_takes_nothing() -> None:
    box: Latest[str] = Latest()
    assert box.peek() is None
    box.put("frame")
    assert box.peek() == box.peek() == box.take(0) == "frame"
    assert box.peek() == "frame", "the preview may show a frame again"


def test_take_waits_no_longer_than_asked() -> None:
    box: Latest[int] = Latest()
    start = time.perf_counter()
    assert box.take(0.05) is None
    assert 0.04 < time.perf_counter() - start < SOON_S


def test_a_waiting_thread_gets_the_value_at_once() -> None:
    box: Latest[int] = Latest()
    got: list[int | None] = []
    reader = threading.Thread(target=lambda: got.append(box.take(60)))
    reader.start()
    box.put(7)
    reader.join(SOON_S)
    assert got == [7]


def test_close_wakes_every_waiting_thread() -> None:
    box: Latest[int] = Latest()
    got: list[int | None] = []
    readers = [threading.Thread(target=lambda: got.append(box.take(60))) for _ in range(3)]
    for reader in readers:
        reader.start()
    assert not box.closed
    box.close()
    for reader in readers:
        reader.join(SOON_S)
    assert got == [None, None, None]
    assert box.closed
    assert box.take(60) is None, "later takes return at once"


def test_the_last_value_before_close_can_still_be_taken() -> None:
    box: Latest[int] = Latest()
    box.put(1)
    box.close()
    assert box.take(60) == 1
    assert box.take(60) is None


def test_every_value_is_taken_or_counted_as_dropped() -> None:
    box: Latest[int] = Latest()
    taken: list[int] = []

    def read() -> None:
        while (value := box.take(60)) is not None:
            taken.append(value)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(2000):
        box.put(number)
    box.close()
    reader.join(SOON_S)
    assert not reader.is_alive()
    assert len(taken) + box.dropped == 2000
    assert taken == sorted(set(taken)), "in order, none twice"
    assert taken[-1] == 1999, "the newest one is never lost"


def test_a_fresh_meter_reads_zero() -> None:
    meter = Meter()
    assert (meter.count, meter.percentile_ms(50), meter.rate_hz()) == (0, 0.0, 0.0)
    meter.add(5.0)
    assert (meter.count, meter.percentile_ms(0), meter.percentile_ms(100), meter.rate_hz()) == (1, 5.0, 5.0, 0.0)


def test_percentiles_are_of_the_durations_in_any_order() -> None:
    meter = Meter(window=200)
    for duration in (*range(100, 0, -1), 0):
        meter.add(float(duration))
    assert [meter.percentile_ms(p) for p in (0, 50, 95, 100)] == [0.0, 50.0, 95.0, 100.0]


def test_only_the_window_counts_for_percentiles() -> None:
    meter = Meter(window=3)
    for duration in (900.0, 1.0, 2.0, 3.0):
        meter.add(duration)
    assert meter.percentile_ms(100) == 3.0
    assert meter.count == 4


def test_the_rate_is_that_of_the_events(monkeypatch: pytest.MonkeyPatch) -> None:
    now_ns = 0
    monkeypatch.setattr("didlive.flow.time.perf_counter_ns", lambda: now_ns)
    meter = Meter(window=10)
    for _ in range(30):
        now_ns += 40_000_000
        meter.add(1.0)
    assert meter.rate_hz() == pytest.approx(25.0)


def test_events_at_one_instant_have_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("didlive.flow.time.perf_counter_ns", lambda: 1)
    meter = Meter()
    meter.add(1.0)
    meter.add(1.0)
    assert meter.rate_hz() == 0.0
