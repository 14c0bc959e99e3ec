/** The producer on the SDK, as a developer writes it: `sdk-producer.mjs PORT TOKEN-FILE`. */
import { readFileSync } from 'node:fs';
import { connect } from '@rma/client';
import { runProducer } from './producer.mjs';

const [port, tokenFile] = process.argv.slice(2);
const client = connect({ url: `http://127.0.0.1:${port}`, token: readFileSync(tokenFile, 'utf8').trim() });
let onEnded = () => undefined;
runProducer({
  submit(id, input) {
    client
      .submit('noop', input, { id })
      .result()
      .then(() => onEnded(id));
  },
  onEnded: (listener) => {
    onEnded = listener;
  },
});
