/** Names of images: with a digest in place of their tag, and whether a donor's list admits them. Pure. */

/** What to pull and to create from: `NAME@sha256:…` where a digest is asked for, else `NAME:TAG`. */
export function imageRef(image: string, digest: string | undefined): string {
  if (digest !== undefined) return `${withoutTag(image)}@${digest}`;
  return hasTag(image) || image.includes('@') ? image : `${image}:latest`;
}

function withoutTag(image: string): string {
  return hasTag(image) ? image.slice(0, image.lastIndexOf(':')) : image;
}

/** A colon after the last slash is a tag's; one before it, a registry's port. */
function hasTag(image: string): boolean {
  return image.lastIndexOf(':') > image.lastIndexOf('/');
}

/** Patterns are whole names, in which `*` stands for any text: `python:3.13-slim`, `ghcr.io/our-lab/*`. */
export function isAllowed(image: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => {
    const source = pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*');
    return new RegExp(`^${source}$`).test(image) || new RegExp(`^${source}$`).test(imageRef(image, undefined));
  });
}
