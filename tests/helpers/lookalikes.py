"""Small look-alikes of RAVDESS, CREMA-D, TESS, SAVEE and Emo-DB, with synthetic speech.

Names, folders, sample rates, nested copies and known quirks are those of the archives on Kaggle and
Zenodo, but there are fewer speakers and sentences.
"""

import tarfile
import zipfile
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ser.sources import demo

# pitch, accent, slope, rate, level, tilt, breath, tremor, jitter
DELIVERIES = {
    "angry": demo.Delivery(4, 4, -3, 1.1, -2, 1.5, 0.02, 0, 0.014),
    "calm": demo.Delivery(-1, 1, -1, 0.9, -8, 10, 0.05, 0, 0.004),
    "disgust": demo.Delivery(-2, 3, -4, 0.94, -6, 6, 0.07, 0.1, 0.02),
    "fear": demo.Delivery(7, 1.5, 1, 1.18, -6, 12, 0.18, 0.7, 0.012),
    "happy": demo.Delivery(5, 5.5, 3, 1.05, -4, 9, 0.03, 0, 0.005),
    "neutral": demo.Delivery(0, 2, -1, 1, -5, 5, 0.03, 0, 0.005),
    "sad": demo.Delivery(-2, 1, -2, 0.9, -9, 16, 0.1, 0.2, 0.008),
    "surprise": demo.Delivery(8, 8, 6, 1.1, -3, 4, 0.05, 0, 0.005),
}
SENTENCES = ("sa fi - So a fe su", "fo Se i - sa fu a", "Si a so - fe Sa i", "a fu si - So fa e")

RAVDESS_ACTORS = range(1, 7)
CREMAD_ACTORS = (1001, 1002, 1003, 1004, 1040, 1076)
TESS_WORDS = ("back", "bar", "bite", "dog", "food", "young")
TESS_FOLDERS = {
    "OAF": ["angry", "disgust", "Fear", "happy", "neutral", "Pleasant_surprise", "Sad"],
    "YAF": ["angry", "disgust", "fear", "happy", "neutral", "pleasant_surprised", "sad"],
}
TESS_CODES = ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad")
SAVEE_CODES = {
    "a": "angry",
    "d": "disgust",
    "f": "fear",
    "h": "happy",
    "n": "neutral",
    "sa": "sad",
    "su": "surprise",
}
EMODB_CODES = {
    "W": "angry",
    "E": "disgust",
    "A": "fear",
    "F": "happy",
    "N": "neutral",
    "T": "sad",
}


def speak(emotion, speaker, sentence, rate, *, seed):
    """Synthesise a clip of one of many speakers: float64 [samples] at `rate` Hz."""
    rng = np.random.default_rng([speaker, sentence, list(DELIVERIES).index(emotion), seed])
    who = np.random.default_rng(speaker)
    voice = demo.Voice(who.uniform(15, 17.5), who.uniform(110, 210), 0, 1, 0)
    text = SENTENCES[sentence % len(SENTENCES)]
    samples = demo.synthesise(text, voice, DELIVERIES[emotion], rng) / 32768
    return soxr.resample(samples, demo.SAMPLE_RATE, rate)


def put(folder, path, samples, rate, subtype="PCM_16"):
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, samples, rate, subtype=subtype)


def ravdess(folder, actors=RAVDESS_ACTORS):
    """48 kHz; every actor twice, two clips in stereo, one clip sung, one film without sound."""
    emotions = ("neutral", "calm", "happy", "sad", "angry", "fear", "disgust", "surprise")
    for actor in actors:
        for number, emotion in enumerate(emotions, start=1):
            for statement in (1, 2):
                for repetition in (1, 2):
                    name = f"03-01-{number:02}-01-{statement:02}-{repetition:02}-{actor:02}.wav"
                    samples = speak(emotion, actor, statement, 48000, seed=repetition)
                    if name in ("03-01-02-01-01-02-01.wav", "03-01-03-01-02-01-05.wav"):
                        samples = np.stack([samples, 0.9 * samples], axis=1)
                    for above in ("", "audio_speech_actors_01-24/"):
                        put(folder, f"{above}Actor_{actor:02}/{name}", samples, 48000)
    put(folder, "Actor_01/03-02-04-01-01-01-01.wav", speak("sad", 1, 1, 48000, seed=9), 48000)
    (folder / "Actor_01/02-01-06-01-02-01-01.mp4").write_bytes(b"a film")


def cremad(folder, actors=CREMAD_ACTORS):
    """16 kHz; one level is written X, one clip is silent."""
    for actor in actors:
        for emotion, code in {
            "angry": "ANG",
            "disgust": "DIS",
            "fear": "FEA",
            "happy": "HAP",
            "neutral": "NEU",
            "sad": "SAD",
        }.items():
            for i, sentence in enumerate(("IEO", "ITH", "MTI", "DFA")):
                level = "MD" if sentence == "IEO" and emotion != "neutral" else "XX"
                name = f"{actor}_{sentence}_{code}_{level}.wav"
                samples = speak(emotion, actor, i, 16000, seed=0)
                if name == "1076_MTI_SAD_XX.wav":
                    samples = np.zeros_like(samples)
                if name == "1040_ITH_SAD_XX.wav":
                    name = "1040_ITH_SAD_X.wav"
                put(folder, f"AudioWAV/{name}", samples, 16000)


def tess(folder):
    """24.414 kHz; all twice, one name lacks its F, one clip is at 96 kHz."""
    tops = (
        "TESS Toronto emotional speech set data",
        "tess toronto emotional speech set data/TESS Toronto emotional speech set data",
    )
    emotions = ("angry", "disgust", "fear", "happy", "neutral", "surprise", "sad")
    for speaker, folders in TESS_FOLDERS.items():
        for emotion, code, below in zip(emotions, TESS_CODES, folders, strict=True):
            for i, word in enumerate(TESS_WORDS):
                name = f"{speaker}_{word}_{code}.wav"
                rate = 96000 if name == "OAF_food_fear.wav" else 24414
                number = 2000 + list(TESS_FOLDERS).index(speaker)
                samples = speak(emotion, number, i, rate, seed=i)
                if name == "OAF_bite_neutral.wav":
                    name = "OA_bite_neutral.wav"
                for top in tops:
                    put(folder, f"{top}/{speaker}_{below}/{name}", samples, rate)


def savee(folder, *, flat):
    """44.1 kHz; ALL/DC_a01.wav as on Kaggle, or AudioData/DC/a01.wav as its authors have it."""
    for number, speaker in enumerate(("DC", "JE", "JK", "KL"), start=3000):
        for code, emotion in SAVEE_CODES.items():
            for sentence in range(1, 7 if code == "n" else 4):
                samples = speak(emotion, number, sentence, 44100, seed=sentence)
                name = f"{code}{sentence:02}.wav"
                path = f"ALL/{speaker}_{name}" if flat else f"AudioData/{speaker}/{name}"
                put(folder, path, samples, 44100)
    (folder / "Info.txt").write_text("about the corpus")


def emodb(folder, speakers):
    """16 kHz; the first sentence in two takes, one of boredom each; 08 is never disgusted."""
    for speaker in speakers:
        for code, emotion in EMODB_CODES.items():
            for name in ("a01{}a", "a01{}b", "a02{}a", "b01{}a"):
                if (speaker, emotion) == ("08", "disgust"):
                    continue
                name = name.format(code)
                sentence = int(name[1:3]) + 2 * (name[0] == "b")
                samples = speak(emotion, 4000 + int(speaker), sentence, 16000, seed=ord(name[4]))
                put(folder, f"wav/{speaker}{name}.wav", samples, 16000)
        put(
            folder,
            f"wav/{speaker}a04La.wav",
            speak("calm", 4000, 1, 16000, seed=int(speaker)),
            16000,
        )
    (folder / "erkennung.txt").write_text("about the corpus", encoding="utf-8")


def zipped(folder: Path, archive: Path) -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        for file in sorted(folder.rglob("*")):
            opened.write(file, file.relative_to(folder))
    return archive


def tarred(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:gz") as opened:
        opened.add(folder, ".")
    return archive
