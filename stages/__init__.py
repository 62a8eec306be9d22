"""The scripts of dvc.yaml, mostly one per stage, run as `python -m stages.<name>`."""
