"""The page of `ser export --web`: a folder of files that recognises emotions in the browser."""
