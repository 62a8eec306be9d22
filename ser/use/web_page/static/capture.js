// What a microphone hears, block by block, to whoever listens at the port. Runs beside the page.

class Capture extends AudioWorkletProcessor {
  process([channels]) {
    if (channels.length) this.port.postMessage(channels[0].slice());
    return true;
  }
}

registerProcessor("capture", Capture);
