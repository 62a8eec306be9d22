// Make the elements that show an answer.

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120]; // seconds between two labels below a timeline
const MAX_LABELS = 6; // that fit on a phone

/** Make an element with a class and its content: texts and elements. */
function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** A sentence that is highlighted, and read out by screen readers. */
export function message(text) {
  const shown = element("p", "message", text);
  shown.setAttribute("role", "alert");
  return shown;
}

/** The answer about a recording: its name, and some elements below it. */
export function article(name, ...content) {
  return element("article", "", element("h2", "", name), ...content);
}

/**
 * The most probable emotion, a bar for each emotion, and a timeline for a long recording.
 *
 * @param {object} prediction as recogniser.js returns it
 * @param {{emotions: string[], dimensions: object[], briefly: object}} settings from settings.json:
 *   the names in the order of the probabilities, name and meaning of each dimension, and a short
 *   text for each reason why a window has no emotion
 * @param {string} warning why the prediction is less reliable, in a sentence; or empty
 * @returns {HTMLElement[]}
 */
export function answer({ seconds, probabilities, dimensions, windows }, settings, warning) {
  const { emotions, briefly } = settings;
  const ranked = emotions.map((name, i) => [name, probabilities[i]]);
  ranked.sort((a, b) => b[1] - a[1]);
  const spoken = windows.filter((window) => window.probabilities).length;
  const count = windows.length ? `, mean of ${spoken} windows with speech of ${windows.length}` : "";
  const note = `${Math.round(100 * ranked[0][1])}% · ${seconds.toFixed(1)} s${count}`;
  const head = element("p", "answer", element("span", "emotion", ranked[0][0]), " ", element("span", "quiet", note));
  const rated = settings.dimensions.map(({ name, meaning }, i) => `${name} ${dimensions[i].toFixed(2)} (${meaning})`);
  const below = rated.length ? [element("p", "quiet", rated.join(", "))] : [];
  const shown = [head, ...(warning ? [message(warning)] : []), bars(ranked), ...below];
  if (!windows.length) return shown;
  const named = windows.map((window) => ({ ...window, reason: briefly[window.reason] }));
  return [...shown, timeline(named, seconds, emotions)];
}

function bars(ranked) {
  const rows = ranked.flatMap(([name, share]) => {
    const bar = element("div", "bar"), number = element("data", "", percent(share, 1));
    bar.style.width = percent(share, 1);
    number.value = share;
    return [element("span", "name", name), element("div", "track", bar), number];
  });
  return element("div", "bars", ...rows);
}

/** A row for each emotion. Each window is drawn up to the start of the next one. */
function timeline(windows, seconds, emotions) {
  const rows = emotions.flatMap((name, emotion) => {
    const lane = element("div", "lane");
    windows.forEach((window, i) => lane.append(stretch(window, windows[i + 1]?.start ?? window.end, seconds, name, emotion)));
    return [element("span", "label", name), lane];
  });
  const caption = element("p", "caption", "emotions: stronger is more probable, hatched is not recognised");
  const shown = element("div", "timeline", caption, ...rows, times(seconds));
  shown.setAttribute("role", "img");
  shown.setAttribute("aria-label", `Emotions over time: ${inWords(windows, emotions)}`);
  return shown;
}

function stretch({ start, end, probabilities, reason }, next, seconds, name, emotion) {
  const share = probabilities?.[emotion];
  const part = element("i", probabilities ? "heard" : "untold");
  part.style.left = percent(start / seconds, 3);
  part.style.width = percent((next - start) / seconds, 3);
  if (probabilities) part.style.opacity = share;
  const hint = probabilities ? `${percent(share, 0)} ${name}` : reason;
  part.title = `${start.toFixed(1)} to ${end.toFixed(1)} s: ${hint}`;
  return part;
}

/** Each change of the most probable emotion, with its time, as text. */
function inWords(windows, emotions) {
  const heard = windows.map(({ start, probabilities, reason }) => {
    const first = probabilities && emotions[probabilities.indexOf(Math.max(...probabilities))];
    return { start, what: first ?? reason };
  });
  const changes = heard.filter(({ what }, i) => what !== heard[i - 1]?.what);
  return changes.map(({ start, what }) => `from ${start.toFixed(1)} s ${what}`).join(", ");
}

function times(seconds) {
  const row = element("div", "times");
  const step = STEPS.find((step) => seconds / step <= MAX_LABELS) ?? seconds;
  for (let time = 0; time <= seconds; time += step) {
    const mark = element("span", "", seconds < 120 ? `${time} s` : `${Math.floor(time / 60)}:${String(time % 60).padStart(2, "0")}`);
    mark.style.left = percent(time / seconds, 3);
    row.append(mark);
  }
  return row;
}

function percent(share, digits) {
  return `${(100 * share).toFixed(digits)}%`;
}
