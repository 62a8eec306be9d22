"""The scripts of dvc.yaml, mostly one per stage, run as `python -m stages.<name>`."""

from ser.core.extras import end_with_a_sentence

end_with_a_sentence()
