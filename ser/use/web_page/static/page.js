// The page: choose, drop or record recordings; they are answered one after the other.

import { startWorker } from "./assistant.js";
import { decode } from "./decoding.js";
import { damaged, fetchBytes, Unusable } from "./files.js";
import { record } from "./microphone.js";
import { predict } from "./recogniser.js";
import { Rejected } from "./rejected.js";
import { answer, article, message } from "./view.js";

const byId = (...ids) => ids.map((id) => document.getElementById(id));
const [files, drop, button, clock, status, answers] = byId("files", "drop", "record", "clock", "status", "answers");
const [hearing, level] = byId("hearing", "level");
const [work, progress, count, stop] = byId("work", "progress", "count", "stop");
let settings, ask;
let recording = null;
let queue = Promise.resolve();
let waiting = 0; // recordings in the queue, including the current one
let stopping = new AbortController();

start();

async function start() {
  try {
    status.textContent = "Loading the recogniser …";
    settings = await loadSettings();
    const worker = await startWorker();
    await worker("load", settings);
    ask = worker;
  } catch (problem) {
    fail(problem);
    return;
  }
  files.disabled = button.disabled = false;
  files.addEventListener("change", () => {
    add(files.files);
    files.value = ""; // the same file can be chosen again
  });
  button.addEventListener("click", toggleRecording);
  stop.addEventListener("click", stopListening);
  drop.addEventListener("dragenter", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  showReady();
}

async function loadSettings() {
  const text = new TextDecoder().decode(await fetchBytes("settings.json"));
  try {
    const read = JSON.parse(text);
    document.getElementById("emotions").textContent = read.emotions.join(", ");
    return read;
  } catch {
    throw damaged("settings.json");
  }
}

function fail(problem) {
  if (!(problem instanceof Unusable)) console.error(problem);
  status.replaceChildren(message(problem.message));
}

function showReady() {
  status.textContent = recording ? "Recording." : "Ready.";
}

// Set up before anything is loaded: else the browser opens a dropped file instead of the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (ask) add(event.dataTransfer.files);
});

function add(chosen) {
  for (const file of chosen) enqueue(file.name, () => decode(file, settings.longest, ask));
}

/** Answer a recording once those before it are answered, unless the visitor stops it. */
function enqueue(name, read) {
  const { signal } = stopping;
  waiting++;
  queue = queue.then(async () => {
    if (!signal.aborted) await show(name, read, signal);
    waiting--;
    if (waiting === 0) work.hidden = true;
    if (!signal.aborted) showReady();
  });
}

async function show(name, read, signal) {
  status.textContent = `Listening to ${name} …`;
  progress.removeAttribute("value"); // indeterminate until the number of windows is known
  count.textContent = name;
  work.hidden = false;
  const content = await recogniseRecording(name, read, signal);
  if (!signal.aborted) answers.prepend(article(name, ...content));
}

/** The elements that show the answer, or why there is none. */
async function recogniseRecording(name, read, signal) {
  const recognise = (channels, rate) => ask("recognise", channels, rate);
  const report = (done, all) => {
    progress.value = done / all;
    count.textContent = `${name}: ${done} of ${all} windows`;
  };
  try {
    const decoded = await read();
    const prediction = await predict(decoded, settings.windows, recognise, report, signal);
    return answer(prediction, settings, lowRateWarning(decoded.rate));
  } catch (problem) {
    if (signal.aborted) return [];
    if (problem instanceof Rejected) return [message(settings.sentences[problem.message])];
    console.error(problem);
    return [message(`This recording cannot be processed: ${problem.message}`)];
  }
}

/** Stop the current recording and those that wait. */
function stopListening() {
  stopping.abort();
  stopping = new AbortController();
  if (document.activeElement === stop) files.focus(); // the button is about to be hidden
  work.hidden = true;
  status.textContent = "Stopped.";
}

/** A warning if the sample rate is too low for the model's features, else empty. */
function lowRateWarning(rate) {
  if (rate / 2 >= settings.highest_hertz) return "";
  return (
    `Sampled at ${rate} Hz: the recording has nothing above ${rate / 2} Hz, but the model uses frequencies ` +
    `up to ${settings.highest_hertz} Hz, so it makes more mistakes.`
  );
}

async function toggleRecording() {
  if (recording) {
    await stopRecording();
    return;
  }
  button.disabled = true;
  try {
    recording = await record(settings.microphone);
    hearing.hidden = false;
    button.textContent = "Stop recording";
    showReady();
    const ticking = setInterval(() => {
      if (!recording) return clearInterval(ticking);
      clock.textContent = `${recording.seconds().toFixed(1)} s`;
      level.value = Math.max(level.min, recording.level());
      if (recording.seconds() >= settings.longest) stopRecording();
    }, 100);
  } catch (problem) {
    fail(problem);
  }
  button.disabled = false;
}

async function stopRecording() {
  const ended = recording;
  recording = null;
  button.textContent = "Record yourself";
  hearing.hidden = true;
  clock.textContent = "";
  const heard = await ended.stop();
  enqueue("Your recording", () => heard);
}
