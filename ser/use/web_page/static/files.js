// Files that lie beside the page.

/** What keeps the page from working, in a sentence. */
export class Unusable extends Error {
  name = "Unusable";
}

/** Fetch a file's bytes, an ArrayBuffer; throws Unusable. */
export async function fetchBytes(name) {
  let why = "no answer";
  try {
    const answer = await fetch(new URL(name, import.meta.url));
    if (answer.ok) return await answer.arrayBuffer();
    why = `HTTP ${answer.status}`;
  } catch {} // no server, or no whole answer
  throw new Unusable(`The file ${name} cannot be had (${why}): it must lie beside this page.`);
}

/** What to throw if a file is there, but not what it should be. */
export function damaged(name) {
  return new Unusable(`The file ${name} cannot be used: it is damaged, or of another export. Upload all files again.`);
}

/** What to throw if a script cannot be loaded: browsers do not tell why. */
export function unloadable(name) {
  return new Unusable(
    `The file ${name} cannot be loaded: it is missing beside this page, or damaged. Upload all files again.`,
  );
}
