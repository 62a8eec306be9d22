// The two nets, run by onnxruntime-web in WebAssembly: the model, and Silero VAD.

// It and its .wasm get names that every server knows the kind of: .mjs is at times unknown.
import { env, InferenceSession, Tensor } from "./ort.js";

const CHUNK = 512; // samples that Silero VAD takes at once
// The shortest module that there is.
const NOTHING = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

/** What keeps the page from working, in a sentence. */
export class Unusable extends Error {}

/**
 * Load both nets.
 *
 * @returns {Promise<{recognise: Function, detect: Function}>} a waveform -> its probabilities;
 *   chunks of sound, one after the other -> how likely each holds speech
 * @throws {Unusable}
 */
export async function loadNets() {
  await requireWebAssembly();
  const [runtime, model, speech] = await Promise.all(["ort.wasm", "model.onnx", "speech.onnx"].map(fetchBytes));
  env.logLevel = "error";
  // Threads want headers that simple hosts do not send, and a clip is too short to gain by them.
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = runtime;
  const recogniser = await open(model, "model.onnx"), detector = await open(speech, "speech.onnx");
  return {
    async recognise(waveform) {
      const tensor = new Tensor("float32", waveform, [waveform.length]);
      const { probabilities } = await recogniser.run({ waveform: tensor }, ["probabilities"]);
      return [...probabilities.data];
    },
    async detect(chunks) {
      const tensor = new Tensor("float32", chunks, [chunks.length / CHUNK, CHUNK]);
      return (await detector.run({ chunks: tensor })).speech.data;
    },
  };
}

async function requireWebAssembly() {
  if (typeof WebAssembly !== "object") {
    throw new Unusable("This browser has no WebAssembly, which the recogniser runs in: take a newer one.");
  }
  try {
    await WebAssembly.compile(NOTHING);
  } catch {
    throw new Unusable(
      "WebAssembly, which the recogniser runs in, is forbidden here: the server's " +
        "Content-Security-Policy must allow 'wasm-unsafe-eval'.",
    );
  }
}

/** Fetch a file that lies beside the page. */
export async function fetchBytes(name) {
  const answer = await fetch(new URL(name, import.meta.url)).catch(() => null);
  if (!answer?.ok) {
    const why = answer ? `HTTP ${answer.status}` : "no answer";
    throw new Unusable(`The file ${name} cannot be had (${why}): it must lie beside this page.`);
  }
  return answer.arrayBuffer();
}

async function open(bytes, name) {
  try {
    return await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
  } catch {
    throw new Unusable(`The file ${name} cannot be used: it is damaged, or of another export. Upload all files again.`);
  }
}
