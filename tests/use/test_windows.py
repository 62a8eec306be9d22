import itertools

import numpy as np
import pytest

from ser.use.windows import Windows, cut, shared_seconds

RATE = 100


def ramp(n, channels=1):
    """Make samples whose values are their positions."""
    return np.repeat(np.arange(n, dtype=np.float32)[:, np.newaxis], channels, axis=1)


def in_blocks(samples, sizes):
    """Cut samples into blocks of these sizes, over and over."""
    start = 0
    for size in itertools.cycle(sizes):
        if start >= len(samples):
            return
        yield samples[start : start + size]
        start += size


def found(samples, windows, sizes=(1 << 20,)):
    """Return (first sample, length, whole) of each piece; check that the samples are right."""
    pieces = list(cut(in_blocks(samples, sizes), RATE, windows))
    for start, piece, _ in pieces:
        np.testing.assert_array_equal(piece, samples[start : start + len(piece)])
    return [(start, len(piece), whole) for start, piece, whole in pieces]


def expected(n, whole, length, hop):
    """Compute the same in closed form, in samples."""
    if n <= max(whole, length):
        return [(0, n, True)] if n else []
    starts = list(range(0, n - length + 1, hop))
    if starts[-1] + length < n:
        starts.append(n - length)
    return [(start, length, False) for start in starts]


@pytest.mark.parametrize(
    ("n", "places"),
    [
        (400, None),
        (401, [0, 100, 200, 201]),
        (500, [0, 100, 200, 300]),
        (550, [0, 100, 200, 300, 350]),
    ],
)
def test_windows_lie_a_hop_apart_and_the_last_one_ends_at_the_end(n, places):
    pieces = found(ramp(n), Windows(4.0, 2.0, 1.0))
    if places is None:
        assert pieces == [(0, n, True)]
    else:
        assert pieces == [(start, 200, False) for start in places]


def test_a_recording_without_samples_has_no_windows():
    assert found(ramp(0), Windows(1.0, 1.0, 1.0)) == []


@pytest.mark.parametrize("seed", range(60))
def test_blocks_of_any_size_give_the_windows_of_the_closed_form(seed):
    rng = np.random.default_rng(seed)
    n, whole = int(rng.integers(0, 2500)), int(rng.integers(1, 600))
    length = int(rng.integers(1, 500))
    hop = int(rng.integers(1, length + 1))
    windows = Windows(whole / RATE, length / RATE, hop / RATE)
    samples = ramp(n, int(rng.integers(1, 4)))
    for most in (1, 7, 300, 5000):
        sizes = rng.integers(1, most + 1, 5).tolist()
        assert found(samples, windows, sizes) == expected(n, whole, length, hop)


def test_every_sample_is_in_a_window():
    rng = np.random.default_rng(0)
    for _ in range(50):
        n, length = int(rng.integers(1, 3000)), int(rng.integers(1, 400))
        hop = int(rng.integers(1, length + 1))
        seen = np.zeros(n, bool)
        for start, size, _ in found(ramp(n), Windows(0.01, length / RATE, hop / RATE)):
            seen[start : start + size] = True
        assert seen.all()


def test_only_the_blocks_of_a_window_are_read_and_kept():
    read = 0

    def blocks():
        nonlocal read
        for _ in range(10_000):
            read += 50
            yield np.zeros((50, 1), np.float32)

    for start, samples, _ in cut(blocks(), RATE, Windows(3.0, 2.0, 1.0)):
        # The start may hold as much as stays whole; after it, a window, a hop and a block.
        assert read <= max(300, start + 200) + 100
        held = samples if samples.base is None else samples.base
        assert len(held) <= 300 + 100
    assert read == 500_000


def test_lengths_are_rounded_to_samples_and_are_one_at_least():
    pieces = found(ramp(5), Windows(0.0, 1e-9, 1e-9))
    assert pieces == [(i, 1, False) for i in range(5)]


# How much of a recording each window stands for


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([(0, 4)], [4]),
        ([(0, 4), (4, 8)], [4, 4]),
        ([(0, 4), (4, 8), (6, 10)], [4, 3, 3]),  # window 4, hop 4, 10 s
        ([(0, 4), (2, 6), (4, 8), (6, 10)], [3, 2, 2, 3]),  # hop 2, 10 s
        ([(0, 4), (2, 6), (4, 8), (5, 9)], [3, 11 / 6, 11 / 6, 7 / 3]),  # hop 2, 9 s
        ([(0, 4), (8, 12), (9, 13)], [4, 2.5, 2.5]),  # one without speech is left out
    ],
)
def test_windows_share_the_time_where_they_overlap(spans, expected):
    np.testing.assert_allclose(shared_seconds(spans), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_every_moment_counts_once(seed):
    rng = np.random.default_rng(seed)
    n, length = int(rng.integers(50, 900)), int(rng.integers(1, 50))
    hop = int(rng.integers(1, length + 1))
    windows = found(ramp(n), Windows(0.01, length / RATE, hop / RATE))
    spans = [
        (start, start + size) for start, size, _ in windows if start == 0 or rng.random() < 0.7
    ]
    covering = np.zeros(n)
    for start, end in spans:
        covering[start:end] += 1
    shares = [(1 / covering[start:end]).sum() for start, end in spans]
    np.testing.assert_allclose(shared_seconds(spans), shares, rtol=1e-9)
    assert shared_seconds(spans).sum() == pytest.approx((covering > 0).sum())
