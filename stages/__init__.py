"""The statements of dvc.yaml: one script per stage, run as `python -m stages.<name>`."""
