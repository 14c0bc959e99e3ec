/** The dialling side keeps to its input credit: what exceeds it waits, in order, and nothing else does. */

import { InputCredit } from '@rma/peer/input-credit';
import type { Welcome } from '@rma/protocol/down';
import type { Up } from '@rma/protocol/up';
import { describe, expect, it } from 'vitest';

const TASK = '0198f0aa-3b00-7c51-9d42-6f1f5f0c2a11';
const watch: Up = { type: 'watch', tasks: [{ task: TASK }] };
const unwatch: Up = { type: 'unwatch', tasks: [TASK] };
const heartbeat: Up = { type: 'heartbeat' };
const query: Up = { type: 'query', ref: 1, query: { what: 'stats' } };

function begun(credit: Welcome['credit']): InputCredit {
  const input = new InputCredit();
  input.begun({ credit } as Welcome);
  return input;
}

/** Sends what may be sent, each of so many bytes. */
function send(credit: InputCredit, messages: Up[], bytes = 10): Up['type'][] {
  const sent: Up['type'][] = [];
  for (const [message, isCredited] of credit.pass(messages)) {
    if (isCredited) credit.sent(bytes);
    sent.push(message.type);
  }
  return sent;
}

describe('input credit', () => {
  it('holds nothing back of a coordinator that grants none', () => {
    const credit = begun(undefined);
    expect(send(credit, Array<Up>(5_000).fill(watch))).toHaveLength(5_000);
    expect(credit.isOpen).toBe(true);
  });

  it('holds back what exceeds its messages, in order, and no other message', () => {
    const credit = begun({ messages: 2, bytes: 1_000 });
    expect(send(credit, [watch, heartbeat, watch, query, unwatch, heartbeat, watch])).toEqual([
      'watch',
      'heartbeat',
      'watch',
      'query',
      'heartbeat',
    ]);
    expect(credit.isOpen).toBe(false);
    expect(send(credit, [heartbeat, watch])).toEqual(['heartbeat']);
    credit.granted({ type: 'credit', messages: 4, bytes: 1_000 } as never);
    expect(send(credit, [heartbeat])).toEqual(['unwatch', 'watch', 'heartbeat']);
    credit.granted({ type: 'credit', messages: 5, bytes: 1_000 } as never);
    expect(send(credit, [])).toEqual(['watch']);
  });

  it('exceeds its bytes by one message at most, however small what is left', () => {
    const credit = begun({ messages: 100, bytes: 25 });
    expect(send(credit, Array<Up>(9).fill(watch))).toHaveLength(3);
  });

  it('counts batches with the control messages', () => {
    const credit = begun({ messages: 2, bytes: 1_000 });
    credit.sent(500);
    expect(credit.isOpen).toBe(true);
    credit.sent(500);
    expect(credit.isOpen).toBe(false);
    expect(send(credit, [watch])).toEqual([]);
  });

  it('begins anew with each session: what waited is sent again by its host, if it still matters', () => {
    const credit = begun({ messages: 1, bytes: 1_000 });
    send(credit, [watch, watch]);
    credit.offline();
    credit.begun({ credit: { messages: 1, bytes: 1_000 } } as Welcome);
    expect(send(credit, [])).toEqual([]);
    expect(credit.isOpen).toBe(true);
  });
});
