// What takes long: files are read and windows are recognised here, while the page stays usable.

import { holdsSpeech } from "./speech.js";
import { loadNets } from "./nets.js";
import { nativeRate } from "./native_rate.js";
import { Rejected } from "./rejected.js";
import { standardForm } from "./standard_form.js";
import { readWav } from "./wav.js";

let clean, nets;

const TASKS = {
  /** Load the nets; `settings` are those of settings.json. */
  async load(settings) {
    clean = settings.clean;
    nets = await loadNets();
  },

  /** The channels and the rate of a WAV file; of others the rate alone, null if it is unknown. */
  async read(file, longest) {
    const buffer = await contentOf(file);
    return readWav(buffer, longest) ?? { rate: nativeRate(buffer) };
  },

  /** The probabilities in a recording that is not cut; throws Rejected. */
  async recognise(channels, rate) {
    const { resampled, waveform } = standardForm(channels, rate, clean);
    if (!(await holdsSpeech(waveform, clean.sample_rate, nets.detect))) throw new Rejected("no_speech");
    return nets.recognise(resampled);
  },
};

addEventListener("message", async ({ data: { task, given }, ports: [port] }) => {
  try {
    const result = await TASKS[task](...given);
    port.postMessage({ result }, result?.channels?.map((channel) => channel.buffer) ?? []);
  } catch ({ name, message }) {
    port.postMessage({ name, message });
  }
});

async function contentOf(file) {
  try {
    return await file.arrayBuffer();
  } catch {
    throw new Rejected("undecodable"); // a folder, or it is there no more
  }
}
