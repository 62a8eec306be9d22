// Clipped samples, told by what they look like and not by their level. As ser/audio/clipping.py.

const MIN_RUN = 3; // neighbouring samples

/** The share of samples in runs at a channel's own largest or smallest value. */
export function clippedShare(channel) {
  let lowest = Infinity, highest = -Infinity;
  for (const sample of channel) {
    if (sample < lowest) lowest = sample;
    if (sample > highest) highest = sample;
  }
  if (lowest === highest) return 0;
  // Zeros are pauses.
  const extremes = [lowest, highest].filter((extreme) => extreme !== 0);
  return extremes.reduce((sum, extreme) => sum + inRuns(channel, extreme), 0) / channel.length;
}

function inRuns(channel, extreme) {
  let counted = 0, run = 0;
  for (let i = 0; i <= channel.length; i++) {
    if (channel[i] === extreme) run++;
    else {
      if (run >= MIN_RUN) counted += run;
      run = 0;
    }
  }
  return counted;
}
