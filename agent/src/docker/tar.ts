/** Tar archives for files into and out of containers. The only import of tar-stream. */
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import tar from 'tar-stream';
import { JOB_UID } from './profile.js';

export interface FileContent {
  /** Relative, with forward slashes. */
  readonly path: string;
  readonly content: Uint8Array;
}

/** An archive of a directory with these files, owned by the job's user. */
export function packFiles(directory: string, files: readonly FileContent[]): Readable {
  const pack = tar.pack();
  const owner = { uid: JOB_UID, gid: JOB_UID, mtime: new Date() };
  const made = new Set<string>();
  const folder = (name: string): void => {
    if (name === '' || made.has(name)) return;
    folder(name.split('/').slice(0, -1).join('/'));
    made.add(name);
    pack.entry({ ...owner, name: `${name}/`, type: 'directory', mode: 0o755 });
  };
  folder(directory);
  for (const { path, content } of files) {
    const name = `${directory}/${path}`;
    folder(name.split('/').slice(0, -1).join('/'));
    pack.entry({ ...owner, name, mode: 0o755, size: content.length }, Buffer.from(content));
  }
  pack.finalize();
  return pack;
}

export interface UnpackOptions {
  /** @param path below the archive's first directory */
  matches(path: string): boolean;
  readonly maxFiles: number;
  readonly maxBytes: number;
}

/** The matching regular files of an archive. @throws Error above the limits */
export async function unpackFiles(
  archive: Readable,
  { matches, maxFiles, maxBytes }: UnpackOptions,
): Promise<FileContent[]> {
  const files: FileContent[] = [];
  let bytes = 0;
  const extract = tar.extract();
  extract.on('entry', (header, stream, next) => {
    const path = header.name.split('/').slice(1).join('/');
    if (header.type !== 'file' || !matches(path)) {
      stream.on('end', next).resume();
      return;
    }
    bytes += header.size ?? 0;
    if (bytes > maxBytes || files.length >= maxFiles) {
      const limit = bytes > maxBytes ? `${maxBytes} bytes` : `${maxFiles} files`;
      next(new Error(`the outputs are more than ${limit}`));
      return;
    }
    const pieces: Buffer[] = [];
    stream.on('data', (piece: Buffer) => pieces.push(piece));
    stream.on('end', () => {
      files.push({ path, content: new Uint8Array(Buffer.concat(pieces)) });
      next();
    });
  });
  await pipeline(archive, extract);
  return files;
}
