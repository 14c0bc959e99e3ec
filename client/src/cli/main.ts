/** Where the bin begins. */
import { run } from './program.js';
import { endOnClosedPipe } from './terminal.js';

endOnClosedPipe();
process.exitCode = await run(process.argv.slice(2));
