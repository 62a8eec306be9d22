// The page: recordings are chosen, dropped or made, and answered one after the other.

import { decode } from "./decoding.js";
import { record } from "./microphone.js";
import { fetchBytes, loadNets, Unusable } from "./nets.js";
import { predict } from "./recogniser.js";
import { Rejected } from "./rejected.js";
import { answer, article, message } from "./view.js";

const [files, drop, button, status, answers] = ["files", "drop", "record", "status", "answers"].map((id) =>
  document.getElementById(id),
);
let settings, nets;
let recording = null;
let queue = Promise.resolve();

start();

async function start() {
  try {
    status.textContent = "Loading the recogniser …";
    settings = JSON.parse(new TextDecoder().decode(await fetchBytes("settings.json")));
    document.getElementById("emotions").textContent = settings.emotions.join(", ");
    nets = await loadNets();
  } catch (problem) {
    if (!(problem instanceof Unusable)) throw problem;
    status.replaceChildren(message(problem.message));
    return;
  }
  files.disabled = button.disabled = false;
  files.addEventListener("change", () => {
    add(files.files);
    files.value = ""; // the same file can be chosen again
  });
  button.addEventListener("click", toggleRecording);
  drop.addEventListener("dragenter", () => drop.classList.add("over"));
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  status.textContent = "Ready.";
}

// From the beginning: a browser would open a dropped file instead of the page.
addEventListener("dragover", (event) => event.preventDefault());
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  if (nets) add(event.dataTransfer.files);
});

function add(chosen) {
  for (const file of chosen) enqueue(file.name, () => decode(file, settings.longest));
}

/** Answer a recording when those before it are answered. */
function enqueue(name, read) {
  queue = queue.then(async () => {
    status.textContent = `Listening to ${name} …`;
    answers.prepend(article(name, ...(await explain(name, read))));
    status.textContent = "Ready.";
  });
}

async function explain(name, read) {
  try {
    const decoded = await read();
    const tell = (done, all) => (status.textContent = `Listening to ${name}: ${done} of ${all} windows …`);
    return answer(await predict(decoded, settings, nets, tell), settings.emotions, doubt(decoded.rate));
  } catch (problem) {
    if (problem instanceof Rejected) return [message(settings.sentences[problem.message])];
    console.error(problem);
    return [message(`This recording cannot be answered: ${problem.message}`)];
  }
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
    button.textContent = "Stop";
    const clock = setInterval(() => {
      if (!recording) return clearInterval(clock);
      status.textContent = `Recording: ${recording.seconds().toFixed(1)} s`;
      if (recording.seconds() >= settings.longest) stopRecording();
    }, 100);
  } catch (problem) {
    status.replaceChildren(message(problem.message));
  }
  button.disabled = false;
}

async function stopRecording() {
  const ended = recording;
  recording = null;
  button.textContent = "Record yourself";
  const heard = await ended.stop();
  enqueue("Your recording", () => heard);
}
