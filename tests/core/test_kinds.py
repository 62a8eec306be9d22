import pytest

from ser.core.kinds import SPECTRA, describes_whole_clips


def test_spectra_are_the_kinds_whose_neighbouring_columns_belong_together():
    assert SPECTRA == ("logmel", "mfcc", "chroma")


@pytest.mark.parametrize(
    ("kinds", "expected"), [(["functionals"], True), (["rms", "logmel"], False), ([], False)]
)
def test_functionals_describe_clips_and_the_others_frames(kinds, expected):
    assert describes_whole_clips(kinds) is expected
