/** `redis.command`: commands for a Redis that the worker runs. */
import { BYTES, defineWorkload, inputOf, listOf, outputOf } from '../manifest.js';

export const MAX_ARGUMENTS = 10_000;
export const MAX_REPLY_BYTES = 16 * 2 ** 20;
/** Of data; Redis refuses writes above it. */
export const MAX_DATA_MIB = 256;

/** Memory: its data, and the copy that a rewrite of the append-only file makes. */
export const redis = defineWorkload({
  name: 'redis',
  host: 'server',
  slots: 16,
  memoryMiB: 512,
  defaultTimeoutMs: 60_000,
  keepsData: true,
  kinds: {
    'redis.command': {
      about: 'Runs one command on a Redis that the worker keeps, and gives back its reply.',
      input: inputOf(
        {
          args: listOf({ anyOf: [{ type: ['string', 'number'] }, BYTES] }, { minItems: 1, maxItems: MAX_ARGUMENTS }),
        },
        ['args'],
      ),
      output: outputOf({ reply: { description: 'text, a number, null, bytes, or a list of these' } }),
      examples: [{ input: { args: ['INCR', 'visits'] } }],
    },
  },
  catalog: {
    title: 'Redis',
    tier: 3,
    trust: 'trusted',
    stateful: true,
    // Other programs connect to the container; tasks go to the embedded form alone.
    kinds: [],
    replicas: { floor: 1, ceiling: 1 },
    container: {
      image: 'redis:8',
      gpu: false,
      resources: { cores: 0.5, memoryMiB: 384, diskMiB: 1_000 },
      command: [
        'sh',
        '-c',
        `exec redis-server --dir /data --requirepass "$REDIS_PASSWORD" --appendonly yes --maxmemory ${MAX_DATA_MIB}mb`,
      ],
      secrets: ['REDIS_PASSWORD'],
      volumes: [{ name: 'data', path: '/data' }],
      port: 6_379,
      health: {
        command: ['sh', '-c', 'redis-cli -a "$REDIS_PASSWORD" --no-auth-warning ping | grep -q PONG'],
        intervalSeconds: 5,
        startSeconds: 60,
      },
      network: false,
    },
  },
});
