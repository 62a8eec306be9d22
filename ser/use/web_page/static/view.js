// Answers as they are shown.

const STEPS = [1, 2, 5, 10, 20, 30, 60, 120]; // seconds between two times below a timeline
const MOST_TIMES = 6; // that a phone has room for

/** Make an element with a class and what is in it: texts and elements. */
function element(tag, className, ...content) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...content);
  return made;
}

/** A sentence that people should see at once. */
export function message(text) {
  const shown = element("p", "message", text);
  shown.setAttribute("role", "alert");
  return shown;
}

/** What is said of a recording: its name, and below it some elements. */
export function article(name, ...content) {
  return element("article", "", element("h2", "", name), ...content);
}

/**
 * The emotion, a bar for each, and of a long recording what is heard when.
 *
 * @param {object} prediction of recogniser.js
 * @param {{emotions: string[], briefly: object}} settings of settings.json: the names in the order
 *   of the probabilities, and why nothing is told of a window, in words
 * @param {string} doubt why to believe it less, in a sentence; or empty
 * @returns {HTMLElement[]}
 */
export function answer({ seconds, probabilities, windows }, { emotions, briefly }, doubt) {
  const ranked = emotions.map((name, i) => [name, probabilities[i]]);
  ranked.sort((a, b) => b[1] - a[1]);
  const told = windows.filter((window) => window.probabilities).length;
  const count = windows.length ? `, mean of ${told} windows with speech of ${windows.length}` : "";
  const note = `${Math.round(100 * ranked[0][1])}% · ${seconds.toFixed(1)} s${count}`;
  const head = element("p", "answer", element("span", "emotion", ranked[0][0]), " ", element("span", "quiet", note));
  const shown = [head, ...(doubt ? [message(doubt)] : []), bars(ranked)];
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

/** A row for each emotion; each window reaches to the next one's start. */
function timeline(windows, seconds, emotions) {
  const rows = emotions.flatMap((name, emotion) => {
    const lane = element("div", "lane");
    windows.forEach((window, i) => lane.append(stretch(window, windows[i + 1]?.start ?? window.end, seconds, name, emotion)));
    return [element("span", "label", name), lane];
  });
  const caption = element("p", "caption", "emotions, the fuller the more probable; hatched: none told");
  const shown = element("div", "timeline", caption, ...rows, times(seconds));
  shown.setAttribute("role", "img");
  shown.setAttribute("aria-label", `What is heard when: ${inWords(windows, emotions)}`);
  return shown;
}

function stretch({ start, end, probabilities, reason }, next, seconds, name, emotion) {
  const share = probabilities?.[emotion];
  const part = element("i", probabilities ? "heard" : "untold");
  part.style.left = percent(start / seconds, 3);
  part.style.width = percent((next - start) / seconds, 3);
  if (probabilities) part.style.opacity = share;
  const said = probabilities ? `${percent(share, 0)} ${name}` : reason;
  part.title = `${start.toFixed(1)} to ${end.toFixed(1)} s: ${said}`;
  return part;
}

/** What is heard from when on, each time that it changes. */
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
  const step = STEPS.find((step) => seconds / step <= MOST_TIMES) ?? seconds;
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
