"""The dimensions of emotion in which a clip may be rated, beside the emotion it is labelled with.

Russell: A circumplex model of affect, Journal of Personality and Social Psychology 39(6), 1980.
"""

# Dimension -> what its ends mean. Ratings are in 0..1.
MEANINGS = {
    "arousal": "0 is calm, 1 is excited",
    "valence": "0 is unpleasant, 1 is pleasant",
}
DIMENSIONS = tuple(MEANINGS)  # columns of labels.csv, and of clips.csv if any clip is rated
