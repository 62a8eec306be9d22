"""Under which terms the corpora are offered, and what to cite."""

from typing import NamedTuple


class Licence(NamedTuple):
    """Terms of a corpus.

    Attributes:
        title: the corpus's name in full.
        spdx: identifier of the licence as the Hugging Face Hub writes it; other: none of its list.
        terms: the same in words.
        reference: the publication to cite.
    """

    title: str
    spdx: str
    terms: str
    reference: str


LICENCES = {
    "aesdd": Licence(
        "Acted Emotional Speech Dynamic Database",
        "other",
        "for research; ask its authors about any other use",
        "Vryzas et al., Journal of the Audio Engineering Society 66(6), 2018",
    ),
    "ravdess": Licence(
        "Ryerson Audio-Visual Database of Emotional Speech and Song",
        "cc-by-nc-sa-4.0",
        "CC BY-NC-SA 4.0",
        "Livingstone, Russo, PLoS ONE 13(5), 2018",
    ),
    "cremad": Licence(
        "Crowd-sourced Emotional Multimodal Actors Dataset",
        "odbl",
        "Open Database License",
        "Cao et al., IEEE Transactions on Affective Computing 5(4), 2014",
    ),
    "tess": Licence(
        "Toronto Emotional Speech Set",
        "cc-by-nc-nd-4.0",
        "CC BY-NC-ND 4.0",
        "Pichora-Fuller, Dupuis, University of Toronto, 2020",
    ),
    "savee": Licence(
        "Surrey Audio-Visual Expressed Emotion",
        "other",
        "for research, on registration with its authors",
        "Haq, Jackson, in: Machine Audition, 2010",
    ),
    "emodb": Licence(
        "Berlin Database of Emotional Speech",
        "cc0-1.0",
        "CC0 1.0, as audEERING's card of it says",
        "Burkhardt et al., Interspeech 2005",
    ),
    "demo": Licence("Synthesised speech of this project", "mit", "MIT", "none"),
}
