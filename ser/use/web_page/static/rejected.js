// Why a recording is of no use. As ser/core/rejection.py.

/** A verdict on a recording: the message is the reason, such as "silent". */
export class Rejected extends Error {
  name = "Rejected";
}
