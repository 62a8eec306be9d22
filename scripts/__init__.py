"""Tools around the pipeline; no stage imports them."""
