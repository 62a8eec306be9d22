// The two nets, run by onnxruntime-web in WebAssembly: the model, and Silero VAD.

import { damaged, fetchBytes, unloadable } from "./files.js";

const CHUNK = 512; // samples that Silero VAD takes at once
// What onnxruntime-web's errors say if it is itself that cannot start.
const NO_RUNTIME = "no available backend";

/**
 * Load both nets.
 *
 * @returns {Promise<{recognise: Function, detect: Function}>} a waveform -> its probabilities;
 *   chunks of sound, one after the other -> how likely each holds speech
 * @throws {Unusable}
 */
export async function loadNets() {
  const [{ env, InferenceSession, Tensor }, runtime, model, speech] = await Promise.all([
    loadRuntime(),
    ...["ort.wasm", "model.onnx", "speech.onnx"].map(fetchBytes),
  ]);
  env.logLevel = "error";
  // Threads want headers that simple hosts do not send, and a clip is too short to gain by them.
  env.wasm.numThreads = 1;
  env.wasm.wasmBinary = runtime;
  const open = async (bytes, name) => {
    try {
      return await InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    } catch (problem) {
      throw damaged(problem.message.includes(NO_RUNTIME) ? "ort.wasm" : name);
    }
  };
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

// It and its .wasm have names that every server knows the kind of: .mjs is at times unknown.
async function loadRuntime() {
  try {
    return await import("./ort.js");
  } catch {
    throw unloadable("ort.js");
  }
}
