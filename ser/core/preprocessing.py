"""How features were computed, which a trained model must know to compute them again."""

from collections.abc import Mapping
from typing import Any, Self

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from ser.core.extras import package_versions
from ser.core.filters import FilterBanks, from_json, to_json
from ser.core.kinds import KINDS, MOST_COLUMNS, packages_of
from ser.core.sections import AudioForm, Features, Section


class Preprocessing(Section):
    """The settings and the filter banks of features, as stored in data/features/store.json.

    Attributes:
        form: the form of the waveforms.
        features: what was computed from them.
        filter_banks: as `ser.core.filters.to_json` returns them.
        dims: columns of each kind, in the order of stacking.
        packages: versions of the optional packages that computed some of them.
        encoder_digest: of the files of the encoder that computed some of them; empty without.
    """

    form: AudioForm
    features: Features
    filter_banks: dict[str, list[Any]]
    dims: dict[str, int]
    packages: dict[str, str] = Field(default_factory=dict)
    encoder_digest: str = ""

    @classmethod
    def of(
        cls,
        form: AudioForm,
        features: Features,
        banks: FilterBanks,
        dims: Mapping[str, int] | None = None,
        encoder_digest: str = "",
    ) -> Self:
        """Make the description of features computed with these settings and filter banks.

        Args:
            form: the form of the waveforms.
            features: what is computed from them.
            banks: the filter banks.
            dims: columns of each kind, if only a table or an encoder tells; None: features.dims.
            encoder_digest: of the encoder's files, if there is one.

        Raises:
            UserError: a package that computes some of them is not installed.
        """
        return cls(
            form=form,
            features=features,
            filter_banks=to_json(banks),
            dims=dict(dims or features.dims),
            encoder_digest=encoder_digest,
            packages=package_versions(packages_of(features.kinds), features.named),
        )

    @model_serializer(mode="wrap")
    def _without_what_is_empty(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out what there is not: programs that do not know it can read the rest."""
        values: dict[str, Any] = write(self)
        for key in ("packages", "encoder_digest"):
            if not getattr(self, key):
                values.pop(key, None)
        return values

    @model_validator(mode="after")
    def _dims_agree(self) -> Self:
        if problem := self.features.problem_of_size(self.form.sample_rate):
            raise ValueError(problem)
        expected = self.features.dims
        for kind in expected:
            if KINDS[kind].open_columns and 1 <= self.dims.get(kind, 0) <= MOST_COLUMNS:
                expected[kind] = self.dims[kind]
        if self.dims != expected:
            raise ValueError(f"features of {expected} columns are described as others")
        if sorted(self.packages) != packages_of(self.features.kinds):
            raise ValueError(f"packages are {self.packages}, which do not compute these features")
        try:
            _ = self.banks
        except (LookupError, TypeError, OverflowError) as error:
            raise ValueError(f"filter banks are damaged: {error!r}") from None
        return self

    @property
    def banks(self) -> FilterBanks:
        """The filter banks of the features."""
        return from_json(self.filter_banks, self.features)

    @property
    def highest_hertz(self) -> float:
        """The highest frequency that reaches the features, in Hz."""
        ends = (KINDS[kind].hertz or self.features.fmax for kind in self.features.kinds)
        return float(min(max(ends), self.form.sample_rate / 2))
