// The page: recordings are chosen, dropped or made, and answered one after the other.

import { startWorker } from "./assistant.js";
import { decode } from "./decoding.js";
import { damaged, fetchBytes, Unusable } from "./files.js";
import { record } from "./microphone.js";
import { predict } from "./recogniser.js";
import { Rejected } from "./rejected.js";
import { answer, article, message } from "./view.js";

const byId = (...ids) => ids.map((id) => document.getElementById(id));
const [files, drop, button, clock, status, answers] = byId("files", "drop", "record", "clock", "status", "answers");
const [work, progress, count, stop] = byId("work", "progress", "count", "stop");
let settings, ask;
let recording = null;
let queue = Promise.resolve();
let waiting = 0; // recordings in the queue, with the one that is listened to
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
  rest();
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

function rest() {
  status.textContent = recording ? "Recording." : "Ready.";
}

// From the beginning: a browser would open a dropped file instead of the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (ask) add(event.dataTransfer.files);
});

function add(chosen) {
  for (const file of chosen) enqueue(file.name, () => decode(file, settings.longest, ask));
}

/** Answer a recording when those before it are answered, unless it is stopped. */
function enqueue(name, read) {
  const { signal } = stopping;
  waiting++;
  queue = queue.then(async () => {
    if (!signal.aborted) await listen(name, read, signal);
    waiting--;
    if (waiting === 0) work.hidden = true;
    if (!signal.aborted) rest();
  });
}

async function listen(name, read, signal) {
  status.textContent = `Listening to ${name} …`;
  progress.removeAttribute("value"); // how long it takes is not known yet
  count.textContent = name;
  work.hidden = false;
  const said = await explain(name, read, signal);
  if (!signal.aborted) answers.prepend(article(name, ...said));
}

async function explain(name, read, signal) {
  const recognise = (channels, rate) => ask("recognise", channels, rate);
  const tell = (done, all) => {
    progress.value = done / all;
    count.textContent = `${name}: ${done} of ${all} windows`;
  };
  try {
    const decoded = await read();
    const prediction = await predict(decoded, settings.windows, recognise, tell, signal);
    return answer(prediction, settings, doubt(decoded.rate));
  } catch (problem) {
    if (signal.aborted) return [];
    if (problem instanceof Rejected) return [message(settings.sentences[problem.message])];
    console.error(problem);
    return [message(`This recording cannot be answered: ${problem.message}`)];
  }
}

/** Give up the recording that is listened to, and those that wait. */
function stopListening() {
  stopping.abort();
  stopping = new AbortController();
  if (document.activeElement === stop) files.focus(); // it is about to be hidden
  work.hidden = true;
  status.textContent = "Stopped.";
}

/** What a recording of a low sample rate lacks, in a sentence. */
function doubt(rate) {
  if (rate / 2 >= settings.highest_hertz) return "";
  return (
    `Sampled at ${rate} Hz: nothing above ${rate / 2} Hz is left in it, and the model listens up to ` +
    `${settings.highest_hertz} Hz, so it errs more.`
  );
}

async function toggleRecording() {
  if (recording) {
    await stopRecording();
    return;
  }
  button.disabled = true;
  try {
    recording = await record();
    button.textContent = "Stop recording";
    rest();
    const ticking = setInterval(() => {
      if (!recording) return clearInterval(ticking);
      clock.textContent = `${recording.seconds().toFixed(1)} s`;
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
  clock.textContent = "";
  const heard = await ended.stop();
  enqueue("Your recording", () => heard);
}
