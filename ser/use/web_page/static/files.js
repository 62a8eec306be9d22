// Fetch the page's own files.

/** An error that keeps the page from working; the message is a sentence for the visitor. */
export class Unusable extends Error {
  name = "Unusable";
}

/** Fetch a file as an ArrayBuffer; throws Unusable. */
export async function fetchBytes(name) {
  let why = "no answer";
  try {
    const answer = await fetch(new URL(name, import.meta.url));
    if (answer.ok) return await answer.arrayBuffer();
    why = `HTTP ${answer.status}`;
  } catch {} // the server cannot be reached, or its answer is incomplete
  throw new Unusable(`The file ${name} cannot be fetched (${why}): it must be in the same folder as this page.`);
}

/** The error for a file that exists, but has the wrong content. */
export function damaged(name) {
  return new Unusable(
    `The file ${name} cannot be used: it is damaged, or from another export. Upload all files again.`,
  );
}

/** The error for a script that cannot be loaded. Browsers do not report why. */
export function unloadable(name) {
  return new Unusable(
    `The file ${name} cannot be loaded: it is missing or damaged. Upload all files again.`,
  );
}
