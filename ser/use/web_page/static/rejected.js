// The error for recordings that cannot be used. As ser/core/rejection.py.

/** A rejected recording; the message is the reason, such as "silent". */
export class Rejected extends Error {
  name = "Rejected";
}
