/** The bytes of a batch of revisions and of its answer: what REVISION-BATCHES.md says, and what a peer may send instead. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../../src/base/index.js';
import { BlipConnection, type RemoteError } from '../../src/blip/index.js';
import { isHawserError, seededRandom, type RandomSource } from '../../src/index.js';
import {
  batchAnswer,
  batchMessage,
  isBatchable,
  packBatches,
  readBatch,
  readBatchAnswer,
  type BatchedRevision,
  type RevAnswer,
} from '../../src/replicator/rev-batch.js';
import type { StoredDocument } from '../../src/storage/index.js';
import { revisionID } from '../support/hostile.js';
import { Mutator } from '../support/mutate.js';

const SEED = Number(process.env['HAWSER_FUZZ_SEED'] ?? 20_260_101);
const MAX_BYTES = 14_000;
const PROTOCOL_ERROR = { code: 'REPLICATION_PROTOCOL_ERROR' };

interface Content extends Partial<StoredDocument> {
  readonly deltaSrc?: string;
}

/** A revision as it is to be sent; its history is told whole. */
function revision({ deltaSrc, ...content }: Content = {}): BatchedRevision {
  const document: StoredDocument = {
    id: 'd',
    sequence: 7,
    revisionID: revisionID(1),
    deleted: false,
    body: '{"n":1}',
    hasBlobs: false,
    history: '',
    conflicts: null,
    remotes: null,
    bases: null,
    expiresAt: null,
    ...content,
  };
  return { document, body: { text: document.body, deltaSrc }, history: document.history };
}

const encoded = (revisions: readonly BatchedRevision[]): Uint8Array => batchMessage(revisions, 0).body ?? utf8('');

/** What a reader of it has to see. */
function expected({ document, body, history }: BatchedRevision) {
  return {
    sequence: String(document.sequence),
    id: document.id,
    revisionID: document.revisionID,
    history: history === '' ? undefined : history,
    deleted: document.deleted,
    deltaSrc: body.deltaSrc,
    replacedRev: undefined,
    body: body.text,
  };
}

/** An empty text in place of a missing one says the same. */
function assertReadBack(revisions: readonly BatchedRevision[], why?: string): void {
  const read = readBatch(encoded(revisions)).map((one) => ({ ...one, history: one.history || undefined }));
  assert.deepEqual(read, revisions.map(expected), why);
}

describe('a batch of revisions', () => {
  it('is a line of JSON and then the bodies, as its description says', () => {
    const message = batchMessage(
      [
        revision({ id: 'engine-1', sequence: 17, body: '{"rpm":1200,"unit":"r/min","n":1}' }),
        revision({
          id: 'engine-2',
          sequence: 18,
          revisionID: revisionID(3),
          body: '{"rpm":1210}',
          history: `${revisionID(2)},${revisionID(1)}`,
          deltaSrc: revisionID(2),
        }),
        revision({ id: 'gone', sequence: 40, deleted: true, body: '{}' }),
      ],
      2,
    );
    assert.deepEqual(message.properties, { Profile: 'hawserRevs', collection: '2' });
    assert.deepEqual([message.compressed, message.urgent], [true, true]);
    const rows = [
      [17, 'engine-1', revisionID(1), 33],
      [1, 'engine-2', revisionID(3), 12, 0, `${revisionID(2)},${revisionID(1)}`, revisionID(2)],
      [22, 'gone', revisionID(1), 2, 1],
    ];
    const text = `${JSON.stringify(rows)}\n{"rpm":1200,"unit":"r/min","n":1}{"rpm":1210}{}`;
    assert.equal(Buffer.from(message.body ?? []).toString(), text);
    assert.deepEqual(batchMessage([revision()], undefined).properties, { Profile: 'hawserRevs' });
  });

  it('is read back as it was written', () => {
    const history = `${revisionID(2)},${revisionID(1)}`;
    for (const content of [
      {},
      { id: 'é😀"\\\n \u2028\u007f', body: '{"é":"😀\u2028"}' },
      { body: '{"text":"\\ud83d"}' },
      { body: '\ufeff{}' },
      { body: '' },
      { body: '{"a":"\\u0000\n"}\n[' },
      { deleted: true, body: '{}' },
      { deleted: true, body: '{}', history },
      { revisionID: revisionID(3), history },
      { revisionID: revisionID(3), history, deltaSrc: revisionID(2) },
      { revisionID: revisionID(3), deltaSrc: revisionID(2) },
      { sequence: Number.MAX_SAFE_INTEGER },
      { sequence: 0 },
      { id: '__proto__', revisionID: 'constructor' },
    ]) {
      assertReadBack([revision(content)], JSON.stringify(content));
      const three = [revision({ body: '{"😀":1}' }), revision({ sequence: 7, ...content }), revision({ sequence: 9 })];
      if ((content.sequence ?? 7) === 7) assertReadBack(three, JSON.stringify(content));
    }
  });

  it('keeps the sequences of revisions that do not come in the order of the feed', () => {
    // A filter that takes its time, and what is proposed once more, change the order of a push.
    assertReadBack([9, 3, 3, 1_000_000, 0, 5].map((sequence) => revision({ sequence })));
  });

  it(`holds as many as fit, in their order, and none too many, seed ${SEED}`, () => {
    const random = seededRandom(SEED);
    for (let round = 0; round < 30; round++) {
      const where = `seed ${SEED}, round ${round}`;
      const all = revisionsAtRandom(random, 1 + below(random, 300)).filter(isBatchable);
      const batches = packBatches(all);
      assert.deepEqual(batches.flat(), all, where);
      for (const [index, batch] of batches.entries()) {
        assert.ok(batch.length > 0, where);
        assert.ok(encoded(batch).length <= MAX_BYTES, `${where}: ${encoded(batch).length} bytes`);
        assertReadBack(batch, where);
        const [next] = batches[index + 1] ?? [];
        if (next === undefined) continue;
        // Of each row it only knows what it may take at the most.
        const together = encoded([...batch, next]).length;
        assert.ok(together > MAX_BYTES - 48 * (batch.length + 1), `${where}: ${together} bytes would have fitted`);
      }
    }
    assert.deepEqual(packBatches([]), []);
  });

  it('takes what is small and brings nothing with it', () => {
    const body = (characters: number): string => `"${'x'.repeat(characters - 2)}"`;
    const history = (generations: number): string =>
      Array.from({ length: generations }, (_, index) => revisionID(generations - index)).join(',');
    for (const [content, isOne] of [
      [{}, true],
      [{ hasBlobs: true }, false],
      [{ body: body(8_192) }, true],
      [{ body: body(8_193) }, false],
      [{ body: '€'.repeat(4_600) }, true],
      [{ body: '€'.repeat(4_700) }, false],
      [{ history: history(300) }, true],
      [{ history: history(400) }, false],
      [{ id: '\u0001'.repeat(240) }, true],
      // The body may be large where only a delta to another one is sent.
      [{ body: '{}', deltaSrc: revisionID(1) }, true],
    ] as const) {
      assert.equal(isBatchable(revision(content)), isOne, JSON.stringify(content).slice(0, 80));
    }
    const large = revision({ body: body(8_193) });
    assert.equal(isBatchable({ ...large, body: { text: '{}', deltaSrc: revisionID(1) } }), true);
  });

  for (let windowBits = 9; windowBits <= 15; windowBits++) {
    it(`fits into one frame of 16 KiB, however badly it compresses, with a window of ${windowBits} bits`, () => {
      const random = seededRandom(SEED + windowBits);
      for (let compressionLevel = 0; compressionLevel <= 9; compressionLevel++) {
        const sender = new BlipConnection({ windowBits, compressionLevel });
        const receiver = new BlipConnection({ maxFrameSize: 16_384 });
        // Nothing in the window helps with what follows.
        sender.sendRequest({ properties: {}, body: random.bytes(10_000), compressed: true, urgent: true });
        for (const fill of [hex, base64, bytesAsText, repeated]) {
          const batch = fullBatch(random, fill);
          const bytes = encoded(batch).length;
          assert.ok(bytes > MAX_BYTES - 60 && bytes <= MAX_BYTES, `${bytes} bytes`);
          sender.sendRequest(batchMessage(batch, 99));
        }
        const frames: number[] = [];
        for (let frame = sender.pollFrame(); frame !== undefined; frame = sender.pollFrame()) {
          frames.push(frame.length);
          receiver.receive(frame);
        }
        assert.equal(frames.length, 5, `level ${compressionLevel}: frames of ${frames.join(', ')} bytes`);
        assert.ok(Math.max(...frames) <= 16_384, frames.join(', '));
        sender.close();
        receiver.close();
      }
    });
  }
});

describe('a malformed batch', () => {
  const row = (...rest: unknown[]): string => JSON.stringify([[1, 'd', '1-aa', ...rest]]);

  for (const [what, body] of [
    ['nothing', ''],
    ['no line', '[[1,"d","1-aa",2]]{}'],
    ['a line alone', '\n'],
    ['only bodies', '\n{}'],
    ['an empty list', '[]\n'],
    ['no JSON', '[[1,"d","1-aa",2]\n{}'],
    ['a mark at its beginning', '\ufeff[[1,"d","1-aa",2]]\n{}'],
    ['null', 'null\n'],
    ['an object', '{"0":[1,"d","1-aa",2],"length":1}\n{}'],
    ['rows that are objects', '[{"0":1,"1":"d","2":"1-aa","3":2}]\n{}'],
    ['rows that are text', '["1d12"]\n{}'],
    ['a row of nothing', '[[]]\n'],
    ['lists in a row', '[[[1],["d"],["1-aa"],[2]]]\n{}'],
    ['no sequence', '[[null,"d","1-aa",2]]\n{}'],
    ['a sequence that is text', '[["1","d","1-aa",2]]\n{}'],
    ['a sequence below zero', '[[-1,"d","1-aa",2]]\n{}'],
    ['half a sequence', '[[0.5,"d","1-aa",2]]\n{}'],
    ['a sequence without end', '[[1e999,"d","1-aa",2]]\n{}'],
    ['a sequence beyond what a number holds', '[[9007199254740992,"d","1-aa",2]]\n{}'],
    ['sequences that add up to too much', '[[9007199254740991,"d","1-aa",2],[1,"e","1-aa",2]]\n{}{}'],
    ['sequences that overflow and come back', '[[9007199254740991,"d","1-aa",0],[9007199254740991,"d","1-aa",0]]\n'],
    ['sequences that go below zero', '[[1,"d","1-aa",2],[-2,"e","1-aa",2]]\n{}{}'],
    ['an ID that is a number', '[[1,5,"1-aa",2]]\n{}'],
    ['an ID that is a list', '[[1,["d"],"1-aa",2]]\n{}'],
    ['no revision', '[[1,"d",null,2]]\n{}'],
    ['no length', `${JSON.stringify([[1, 'd', '1-aa']])}\n{}`],
    ['a length that is text', `${row('2')}\n{}`],
    ['a length below zero', `${row(-2)}\n{}`],
    ['half a length', `${row(1.5)}\n{}`],
    ['a length without end', '[[1,"d","1-aa",1e999]]\n{}'],
    ['a huge length', `${row(Number.MAX_SAFE_INTEGER)}\n{}`],
    ['lengths that overflow', '[[1,"d","1-aa",9007199254740991],[1,"e","1-aa",9007199254740991]]\n{}'],
    ['lengths of which one takes back what another took', '[[1,"d","1-aa",4],[1,"e","1-aa",-2]]\n{}'],
    ['a body too many', `${row(2)}\n{}{}`],
    ['a body too few', `${row(4)}\n{}`],
    ['lengths in bytes', `${row(9)}\n{"é":1}`],
    ['a history that is a list', `${row(2, 0, ['1-aa'])}\n{}`],
    ['a history that is null', `${row(2, 0, null)}\n{}`],
    ['a base that is a number', `${row(2, 0, '', 1)}\n{}`],
    ['one bad row among good ones', '[[1,"d","1-aa",2],[1,"e","1-aa"],[1,"f","1-aa",2]]\n{}{}'],
    ['lists inside lists', `${'['.repeat(6_000)}${']'.repeat(6_000)}\n`],
    ['lists without end', '['.repeat(13_000)],
    ['more than a batch may hold', `[[1,"d","1-aa",${MAX_BYTES}]]\n${'x'.repeat(MAX_BYTES)}`],
  ] as const) {
    it(`is refused whole: ${what}`, () => {
      assert.throws(() => readBatch(utf8(body)), PROTOCOL_ERROR);
    });
  }

  it('is refused whole: a mark of a deletion that is none', () => {
    for (const mark of [true, false, 2, -1, '1', null, [1]]) {
      assert.throws(() => readBatch(utf8(`${row(2, mark)}\n{}`)), PROTOCOL_ERROR, JSON.stringify(mark));
    }
  });

  it('is refused whole: what is not UTF-8', () => {
    for (const end of ['ff', 'c3', 'eda080', 'f8888080', 'c080']) {
      const body = Buffer.concat([Buffer.from(`${row(2)}\n`), Buffer.from(end, 'hex')]);
      assert.throws(() => readBatch(body), PROTOCOL_ERROR, end);
    }
  });

  it('may be odd and yet readable: what it says of its revisions is looked at when they are stored', () => {
    const odd = '[[1e0,"\\ud800","",1,0,""],[0,"","\\u0000",1,0,"x","y","z",{}],[-0,"d","1-aa",0]]\n😀';
    assert.deepEqual(
      readBatch(utf8(odd)).map(({ sequence, id, revisionID: rev, body }) => [sequence, id, rev, body]),
      [
        ['1', '\ud800', '', '\ud83d'],
        ['1', '', '\u0000', '\ude00'],
        ['1', 'd', '1-aa', ''],
      ],
    );
  });

  it(`is told apart from a sound one after any damage, seed ${SEED}`, () => {
    const random = seededRandom(SEED + 1);
    const mutator = new Mutator(random);
    let [clean, refused] = [0, 0];
    for (let round = 0; round < 3_000; round++) {
      const sound = revisionsAtRandom(random, 1 + below(random, 6)).filter(isBatchable);
      if (sound.length === 0) continue;
      const body = mutator.body(Buffer.from(encoded(sound)).toString('latin1'));
      const bytes = typeof body === 'string' ? Buffer.from(body, mutator.below(2) === 0 ? 'latin1' : 'utf8') : body;
      try {
        const read = readBatch(bytes);
        clean++;
        assertClean(read, `seed ${SEED + 1}, round ${round}`);
      } catch (error) {
        if (!isHawserError(error)) throw error;
        assert.equal(error.code, 'REPLICATION_PROTOCOL_ERROR', `seed ${SEED + 1}, round ${round}`);
        refused++;
      }
    }
    assert.ok(clean > 150 && refused > 150, `${clean} were readable, ${refused} were not`);
  });
});

describe('the answer to a batch', () => {
  const conflict: RemoteError = { domain: 'HTTP', code: 409, message: 'conflict' };
  const refused: RemoteError = { domain: 'LiteCore', code: -4, message: 'é😀' };

  it('is short where little is to be said, and read back as it was written', () => {
    for (const [answers, text] of [
      [[], undefined],
      [['sent', 'sent'], undefined],
      [['present', 'sent', 'sent'], '[304]'],
      [['sent', 'present'], '[0,304]'],
      [
        ['sent', { error: conflict, current: revisionID(3) }, { error: refused, current: undefined }, 'sent'],
        `[0,["HTTP",409,"conflict","${revisionID(3)}"],["LiteCore",-4,"é😀"]]`,
      ],
    ] as [RevAnswer[], string | undefined][]) {
      const body = batchAnswer(answers);
      assert.equal(body === undefined ? undefined : Buffer.from(body).toString(), text);
      assert.deepEqual(readBatchAnswer(body ?? new Uint8Array(), answers.length), answers);
    }
  });

  it('says nothing of revisions that were not sent', () => {
    assert.deepEqual(readBatchAnswer(utf8('[304,304,304]'), 1), ['present']);
    assert.deepEqual(readBatchAnswer(utf8('[]'), 2), ['sent', 'sent']);
    assert.deepEqual(readBatchAnswer(utf8('[["HTTP",503,7]]'), 1), [
      { error: { domain: 'HTTP', code: 503, message: '' }, current: undefined },
    ]);
  });

  for (const [what, body] of [
    ['no JSON', '[['],
    ['spaces', '  '],
    ['null', 'null'],
    ['a number', '304'],
    ['a text', '"[304]"'],
    ['an object', '{"0":304,"length":1}'],
    ['a word', '[true]'],
    ['another number', '[200]'],
    ['a negative zero of text', '["0"]'],
    ['an object as entry', '[{"domain":"HTTP","code":409}]'],
    ['an empty entry', '[[]]'],
    ['no code', '[["HTTP"]]'],
    ['a code that is text', '[["HTTP","409","x"]]'],
    ['a domain that is none', '[[409,409,"x"]]'],
    ['a revision that is a number', '[["HTTP",409,"x",3]]'],
    ['a revision that is null', '[["HTTP",409,"x",null]]'],
    ['a bad entry after a good one', '[0,["HTTP"]]'],
  ] as const) {
    it(`is of no use: ${what}`, () => {
      assert.throws(() => readBatchAnswer(utf8(body), 3), PROTOCOL_ERROR);
    });
  }

  it('is of no use: an entry that says nothing', () => {
    // "Stored" is a promise; it is not made by leaving a hole in the middle.
    for (const body of ['[null]', '[0,null,304]'])
      assert.throws(() => readBatchAnswer(utf8(body), 3), PROTOCOL_ERROR, body);
  });

  it('is of no use: a code that is no whole number', () => {
    for (const code of ['1e999', '409.5', '-1e999'])
      assert.throws(() => readBatchAnswer(utf8(`[["HTTP",${code},"x"]]`), 1), PROTOCOL_ERROR, code);
  });

  it('is of no use: what is not UTF-8, and what is larger than any answer', () => {
    assert.throws(() => readBatchAnswer(Buffer.from('[\xff]', 'latin1'), 1), PROTOCOL_ERROR);
    const deep = `${'['.repeat(3_000_000)}${']'.repeat(3_000_000)}`;
    assert.throws(() => readBatchAnswer(utf8(deep), 1), PROTOCOL_ERROR);
    // As values it would take some twenty times the memory.
    assert.throws(() => readBatchAnswer(utf8(`[${'0,'.repeat(3_000_000)}0]`), 1), PROTOCOL_ERROR);
  });

  it(`is told apart from a sound one after any damage, seed ${SEED}`, () => {
    const random = seededRandom(SEED + 2);
    const mutator = new Mutator(random);
    const some: RevAnswer[] = ['sent', 'present', { error: conflict, current: '3-aa' }];
    for (let round = 0; round < 2_000; round++) {
      const answers = Array.from({ length: 1 + below(random, 8) }, () => mutator.pick(some));
      const body = mutator.body(Buffer.from(batchAnswer(answers) ?? []));
      try {
        const read = readBatchAnswer(Buffer.from(body), answers.length);
        assert.equal(read.length, answers.length, `seed ${SEED + 2}, round ${round}`);
      } catch (error) {
        if (!isHawserError(error)) throw error;
        assert.equal(error.code, 'REPLICATION_PROTOCOL_ERROR', `seed ${SEED + 2}, round ${round}`);
      }
    }
  });
});

function assertClean(read: ReturnType<typeof readBatch>, where: string): void {
  assert.ok(read.length > 0, where);
  for (const { sequence, id, revisionID: rev, deleted, history, deltaSrc, body } of read) {
    assert.match(sequence ?? '', /^\d{1,16}$/, where);
    const types = [typeof id, typeof rev, typeof deleted, typeof body].join(' ');
    assert.equal(types, 'string string boolean string', where);
    for (const text of [history, deltaSrc]) assert.ok(text === undefined || typeof text === 'string', where);
  }
}

function below(random: RandomSource, limit: number): number {
  return Math.floor(random.next() * limit);
}

const LETTERS = ['a', 'x', '"', '\\', 'é', '€', '😀', '\u2028', ' ', '{', '\n', '\u0001', '\u007f'];

/** Revisions of every kind, in the order of a feed; now and then one that is too large. */
function revisionsAtRandom(random: RandomSource, count: number): BatchedRevision[] {
  const text = (limit: number): string =>
    Array.from({ length: below(random, limit) }, () => LETTERS[below(random, LETTERS.length)]).join('');
  let sequence = below(random, 3) === 0 ? Number.MAX_SAFE_INTEGER - 1_000_000 : 0;
  return Array.from({ length: count }, () => {
    sequence += 1 + below(random, 1_000);
    const generation = 1 + below(random, below(random, 10) === 0 ? 60 : 4);
    const ancestors = Array.from({ length: generation - 1 }, (_, index) => revisionID(generation - 1 - index));
    const deleted = below(random, 8) === 0;
    return revision({
      id: `d${text(40)}`,
      sequence,
      revisionID: revisionID(generation),
      deleted,
      body: deleted ? '{}' : JSON.stringify({ text: text(below(random, 20) === 0 ? 9_000 : 300) }),
      history: below(random, 5) === 0 ? '' : ancestors.join(','),
      ...(generation > 1 && below(random, 4) === 0 ? { deltaSrc: revisionID(generation - 1) } : {}),
    });
  });
}

type Fill = (random: RandomSource, bytes: number) => string;
const hex: Fill = (random, bytes) => Buffer.from(random.bytes(bytes)).toString('hex').slice(0, bytes);
const base64: Fill = (random, bytes) => Buffer.from(random.bytes(bytes)).toString('base64').slice(0, bytes);
const repeated: Fill = (_random, bytes) => 'x'.repeat(bytes);
/** Every character that a byte or two can stand for, in no order. */
const bytesAsText: Fill = (random, bytes) => {
  let text = '';
  for (let left = bytes; left > 0;) {
    const code = left === 1 ? 32 + below(random, 95) : 1 + below(random, 0x7fe);
    text += String.fromCharCode(code);
    left -= code < 0x80 ? 1 : 2;
  }
  return text;
};

/** One batch that has nearly as many bytes as it may: what is packed together never exceeds that. */
function fullBatch(random: RandomSource, fill: Fill): BatchedRevision[] {
  const [first, second] = [revision({ body: fill(random, 6_900) }), revision({ body: '', sequence: 8 })];
  const room = MAX_BYTES - encoded([first, revision({ body: 'xxxx', sequence: 8 })]).length + 4;
  const batch = [first, { ...second, body: { text: fill(random, room - 3), deltaSrc: undefined } }];
  assert.ok(batch.every(isBatchable));
  return batch;
}
