from typing import get_args

import pytest

from ser.core.kinds import KINDS, SPECTRA, FeatureKind, describe_clips


def test_the_kinds_that_can_be_set_are_those_that_are_known():
    assert list(get_args(FeatureKind)) == list(KINDS)


def test_spectra_are_the_kinds_whose_neighbouring_columns_belong_together():
    assert SPECTRA == ("logmel", "mfcc", "chroma")


@pytest.mark.parametrize(
    ("kinds", "expected"), [(["functionals"], True), (["rms", "logmel"], False), ([], False)]
)
def test_functionals_describe_clips_and_the_others_frames(kinds, expected):
    assert describe_clips(kinds) is expected
