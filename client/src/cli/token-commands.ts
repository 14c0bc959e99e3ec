/** `rma token …`: creates, lists and revokes tokens. */
import type { TokenView } from '@rma/protocol/view';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { UsageError } from '../usage-error.js';
import { type GlobalOptions, withClient } from './connect.js';
import { formatTime, parseDurationMs } from './duration.js';
import { table } from './table.js';
import { print, printJson, printStatus } from './terminal.js';

interface CreateOptions extends GlobalOptions {
  readonly role: 'admin' | 'client' | 'join';
  readonly name?: string;
  readonly expires?: string;
  readonly uses?: number;
  readonly owner?: string;
  readonly trust?: 'community' | 'trusted';
}

export function addTokenCommands(program: Command, finish: (status: number) => void): void {
  const token = program
    .command('token')
    .description('Creates, lists and revokes tokens.')
    .addHelpText('after', '\nExamples:\n  rma token create --role client --name website\n  rma token list');

  token
    .command('create')
    .description('Creates a token and prints it. It cannot be shown again.')
    .addOption(
      new Option('--role <role>', 'admin: everything; client: submits tasks; join: admits a worker')
        .choices(['admin', 'client', 'join'])
        .makeOptionMandatory(),
    )
    .option('--name <name>', 'what it is for, as `rma token list` shows it (default: the role)')
    .option('--expires <duration>', 'how long it is valid, for example 30d (default: until revoked; join: 30d)')
    .option('--uses <n>', 'join: how many workers it admits (default: 100; 1 if trusted)', parseUses)
    .option('--owner <name>', 'join: the donor who lends the machines')
    .addOption(
      new Option('--trust <trust>', 'join: community, or trusted for your own machines').choices([
        'community',
        'trusted',
      ]),
    )
    .addHelpText(
      'after',
      '\nExamples:\n  rma token create --role client --name website --expires 90d\n  rma token create --role join --owner alice --uses 1 --trust trusted > join.token',
    )
    .action(async (_: unknown, command: Command) => {
      finish(await createToken(command.optsWithGlobals<CreateOptions>()));
    });

  token
    .command('list')
    .description('Lists tokens by id and name; the secrets themselves are not stored.')
    .addHelpText('after', '\nExample:\n  rma token list')
    .action(async (_: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(await withClient(options, async (client) => listTokens(await client.tokens(), options)));
    });

  token
    .command('revoke')
    .description('Revokes a token and closes the connections that use it.')
    .argument('<id>', 'the id that `rma token list` shows')
    .addHelpText('after', '\nExample:\n  rma token revoke t-8c1d')
    .action(async (id: string, _: unknown, command: Command) => {
      const options = command.optsWithGlobals<GlobalOptions>();
      finish(
        await withClient(options, async (client) => {
          const view = await client.revokeToken(id);
          if (options.json) await printJson(view);
          else await print(table(HEADING, [rowOf(view)]));
          return 0;
        }),
      );
    });
}

/** The value of --uses. */
export function parseUses(text: string): number {
  const uses = Number(text);
  if (!/^\d+$/.test(text) || uses < 1 || uses > 1_000_000)
    throw new InvalidArgumentError('give a number from 1 to 1000000.');
  return uses;
}

async function createToken(options: CreateOptions): Promise<number> {
  const { role, uses, owner, trust, expires, json } = options;
  if (role !== 'join' && (uses !== undefined || owner !== undefined || trust !== undefined)) {
    throw new UsageError('--uses, --owner and --trust are for tokens of the role join');
  }
  const expiresInSeconds = expires === undefined ? undefined : Math.ceil(parseDurationMs(expires, '--expires') / 1_000);
  return withClient(options, async (client) => {
    const made = await client.createToken({
      role,
      name: options.name ?? role,
      ...(expiresInSeconds === undefined ? {} : { expiresInSeconds }),
      ...(uses === undefined ? {} : { uses }),
      ...(owner === undefined ? {} : { owner }),
      ...(trust === undefined ? {} : { trust }),
    });
    if (json) await printJson(made);
    else {
      await print(made.token);
      printStatus(
        `token ${made.view.id} for the role ${made.view.role}; revoke it with \`rma token revoke ${made.view.id}\``,
      );
    }
    return 0;
  });
}

const HEADING = ['ID', 'ROLE', 'NAME', 'SUBJECT', 'CREATED', 'EXPIRES', 'USES LEFT', 'STATE'];

function stateOf({ revokedAt, expiresAt, usesLeft }: TokenView): string {
  if (revokedAt !== undefined) return 'revoked';
  if (expiresAt !== undefined && expiresAt < Date.now()) return 'expired';
  return usesLeft === 0 ? 'used up' : 'valid';
}

function rowOf(view: TokenView): string[] {
  return [
    view.id,
    view.role,
    view.name,
    view.subject,
    formatTime(view.createdAt),
    view.expiresAt === undefined ? 'never' : formatTime(view.expiresAt),
    view.usesLeft === undefined ? '' : String(view.usesLeft),
    stateOf(view),
  ];
}

async function listTokens(tokens: readonly TokenView[], { json }: GlobalOptions): Promise<number> {
  if (json) await printJson(tokens);
  else await print(table(HEADING, tokens.map(rowOf)));
  return 0;
}
