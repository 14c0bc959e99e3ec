/**
 * Names of container images: the full reference of one, and the patterns with which donors list what they allow. The
 * coordinator's placement and both of the agent's lists (`allow.images`, `jobs.images`) match by this file. Pure.
 */

/** What an engine pulls: `NAME@sha256:…` where a digest is asked for, else `NAME:TAG`, with `latest` for a missing tag. */
export function imageRef(image: string, digest?: string): string {
  if (digest !== undefined) return `${hasTag(image) ? image.slice(0, image.lastIndexOf(':')) : image}@${digest}`;
  return hasTag(image) || image.includes('@') ? image : `${image}:latest`;
}

/**
 * Whether a pattern names an image. A pattern is a whole name in which `*` stands for any text, slashes included:
 * `python:3.13-slim`, `ghcr.io/our-lab/*`. A name without a tag also matches as its `:latest`, which is what engines pull.
 */
export function imageMatches(pattern: string, image: string): boolean {
  return wildcardMatches(pattern, image) || wildcardMatches(pattern, imageRef(image));
}

/** A colon after the last slash begins a tag; one before it, the port of a registry. */
function hasTag(image: string): boolean {
  return image.lastIndexOf(':') > image.lastIndexOf('/');
}

/** Takes the leftmost place of each part, so it never backtracks: patterns and names come from the other side. */
function wildcardMatches(pattern: string, text: string): boolean {
  const parts = pattern.split('*');
  const first = parts.shift() ?? '';
  const last = parts.pop();
  if (last === undefined) return pattern === text;
  const end = text.length - last.length;
  if (!text.startsWith(first) || !text.endsWith(last) || end < first.length) return false;
  let at = first.length;
  for (const part of parts) {
    const found = text.indexOf(part, at);
    if (found === -1 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
