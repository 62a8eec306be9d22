// Cut long recordings into windows. As ser/use/windows.py.

/**
 * Return the windows of a recording; one that is not longer than `whole` is one window.
 *
 * @param {number} samples number of samples
 * @param {number} rate in Hz
 * @param {{whole: number, length: number, hop: number}} windows in seconds
 * @returns {{start: number, end: number}[]} in samples; all windows have the same length, and the
 *   last one ends where the recording ends
 */
export function cut(samples, rate, windows) {
  const inSamples = (seconds) => Math.max(1, roundHalfToEven(seconds * rate));
  const [whole, length, hop] = [windows.whole, windows.length, windows.hop].map(inSamples);
  if (samples <= Math.max(whole, length)) return [{ start: 0, end: samples }];
  const spans = [];
  for (let start = 0; start + length <= samples; start += hop) spans.push({ start, end: start + length });
  if (spans.at(-1).end < samples) spans.push({ start: samples - length, end: samples });
  return spans;
}

/**
 * Return how long each window stands for: where windows overlap, they share the time.
 *
 * @param {{start: number, end: number}[]} spans
 * @returns {number[]} in the spans' unit; the sum is the time that the windows cover
 */
export function sharedTime(spans) {
  const changes = new Map();
  const add = (edge, change) => changes.set(edge, (changes.get(edge) ?? 0) + change);
  for (const { start, end } of spans) {
    add(start, 1);
    add(end, -1);
  }
  const edges = [...changes.keys()].sort((a, b) => a - b);
  const until = new Map();
  let covering = 0, sum = 0;
  edges.forEach((edge, i) => {
    until.set(edge, sum);
    covering += changes.get(edge);
    if (covering) sum += (edges[i + 1] - edge) / covering;
  });
  return spans.map(({ start, end }) => until.get(end) - until.get(start));
}

/** Round as Python does. */
function roundHalfToEven(x) {
  const below = Math.floor(x);
  return x - below === 0.5 ? below + (below % 2) : Math.round(x);
}
