// The worker: it reads files and recognises windows, so that the page stays responsive.

import { holdsSpeech } from "./speech.js";
import { loadNets } from "./nets.js";
import { nativeRate } from "./native_rate.js";
import { Rejected } from "./rejected.js";
import { standardForm } from "./standard_form.js";
import { readWav } from "./wav.js";

let form, limits, nets;

const TASKS = {
  /** Load the nets; `settings` is the content of settings.json. */
  async load(settings) {
    ({ form, limits } = settings);
    nets = await loadNets(settings.dimensions.length > 0);
  },

  /** The channels and the rate of a WAV file; of other files only the rate, null if unknown. */
  async read(file, longest) {
    const buffer = await contentOf(file);
    return readWav(buffer, longest) ?? { rate: nativeRate(buffer) };
  },

  /** The probabilities and dimensions of a recording or a window of one; throws Rejected. */
  async recognise(channels, rate) {
    const { resampled, waveform } = standardForm(channels, rate, form, limits);
    if (!(await holdsSpeech(waveform, form.sample_rate, nets.detect))) throw new Rejected("no_speech");
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
    throw new Rejected("undecodable"); // it is a folder, or no longer exists
  }
}
