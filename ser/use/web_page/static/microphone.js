// Recordings by a microphone.

import { Unusable, unloadable } from "./files.js";

const PROBLEMS = {
  NotAllowedError: "The microphone may not be used: allow it for this page in the browser's settings.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is used by another program.",
};

/**
 * Record until told to stop.
 *
 * @returns {Promise<{seconds: () => number, stop: () => Promise<{channels: Float32Array[], rate: number}>}>}
 * @throws {Unusable} it cannot be used: why, in a sentence
 */
export async function record() {
  if (!navigator.mediaDevices) {
    throw new Unusable("Browsers give a microphone to pages by https alone, and to those of this computer.");
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
    await close(); // else the microphone stays on
    throw problem instanceof Unusable ? problem : cannotBeUsed(problem);
  }
}

/** Collect what is heard from now on: {blocks, samples}. */
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
    // As it is: what is meant for calls changes voices.
    const raw = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
    return await navigator.mediaDevices.getUserMedia({ audio: raw });
  } catch (problem) {
    throw cannotBeUsed(problem);
  }
}

function cannotBeUsed({ name }) {
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
