"""Tools around the pipeline; no stage imports them."""

from ser.core.extras import end_with_a_sentence

end_with_a_sentence()
