"""The page of `ser export --web`: a folder of files that recognises in the browser."""
