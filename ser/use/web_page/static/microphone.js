// Record with the microphone.

import { Unusable, unloadable } from "./files.js";

const PROBLEMS = {
  NotAllowedError: "The microphone may not be used: allow it for this page in the browser's settings.",
  NotFoundError: "No microphone was found.",
  NotReadableError: "Another program uses the microphone.",
};

/**
 * Record until `stop` is called.
 *
 * @returns {Promise<{seconds: () => number, stop: () => Promise<{channels: Float32Array[], rate: number}>}>}
 * @throws {Unusable} the microphone cannot be used
 */
export async function record() {
  if (!navigator.mediaDevices) {
    throw new Unusable("Browsers allow the microphone only on https pages and on pages from this computer.");
  }
  const stream = await open();
  let context;
  const close = async () => {
    stream.getTracks().forEach((track) => track.stop());
    await context?.close();
  };
  try {
    context = new AudioContext();
    const heard = await listen(context, stream);
    return {
      seconds: () => heard.samples / context.sampleRate,
      async stop() {
        await close();
        return { channels: [joined(heard)], rate: context.sampleRate };
      },
    };
  } catch (problem) {
    await close(); // otherwise the microphone stays on
    throw problem instanceof Unusable ? problem : microphoneProblem(problem);
  }
}

/** Start recording; return the object {blocks, samples} that grows from now on. */
async function listen(context, stream) {
  let capture;
  try {
    await context.audioWorklet.addModule(new URL("capture.js", import.meta.url));
    capture = new AudioWorkletNode(context, "capture", {
      channelCount: 1,
      channelCountMode: "explicit",
      numberOfOutputs: 0,
    });
  } catch {
    throw unloadable("capture.js");
  }
  const heard = { blocks: [], samples: 0 };
  capture.port.onmessage = ({ data }) => {
    heard.blocks.push(data);
    heard.samples += data.length;
  };
  context.createMediaStreamSource(stream).connect(capture);
  return heard;
}

async function open() {
  try {
    // Unprocessed, because processing meant for calls changes voices.
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio: raw });
  } catch (problem) {
    throw microphoneProblem(problem);
  }
}

function microphoneProblem({ name }) {
  return new Unusable(PROBLEMS[name] ?? `The microphone cannot be used (${name}).`);
}

function joined({ blocks, samples }) {
  const whole = new Float32Array(samples);
  let at = 0;
  for (const block of blocks) {
    whole.set(block, at);
    at += block.length;
  }
  return whole;
}
