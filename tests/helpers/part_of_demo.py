"""Write a part of the demo corpus, which is synthesised and read faster than all of it."""

import soundfile

from ser.sources import demo


def write_part_of_demo(folder, speakers, utterances):
    """Write the clips of its first speakers and utterances, each at its place in the corpus."""
    for clip in demo.clips():
        if clip.speaker <= speakers and clip.utterance <= utterances:
            file = folder / clip.path
            file.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(file, demo.render(clip), demo.SAMPLE_RATE)
