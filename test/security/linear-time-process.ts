/**
 * Reads long texts of a peer's choosing with everything that reads such texts, and tells by which it is held up: names go to the
 * parent before each. `careless` alone is a pattern that looks at each character once for each other one.
 *
 *   node --import tsx linear-time-process.ts FOLDER all|careless
 */
import { checkBody, oneLine, parseJson, readJsonTree, silentLogger, utf8 } from '../../src/base/index.js';
import { MessageProperties } from '../../src/blip/properties.js';
import { blobDigestsIn } from '../../src/database/blob-references.js';
import { blobReferences, documentIDProblem } from '../../src/database/index.js';
import { applyDelta } from '../../src/delta/index.js';
import { closeCodeToError } from '../../src/endpoint/close-codes.js';
import { refusalError } from '../../src/endpoint/refusal.js';
import { isCompressible } from '../../src/replicator/blob-fetcher.js';
import { parseChanges, parseProposals } from '../../src/replicator/change-entries.js';
import { parseCheckpoint, sequenceText } from '../../src/replicator/checkpoint.js';
import { listedDigests, withoutLegacyAttachments } from '../../src/replicator/legacy-attachments.js';
import { isBefore } from '../../src/replicator/sequence-order.js';
import { parseHistory, parseRevisionID } from '../../src/revision/index.js';
import { ListenerPasswordAuthenticator } from '../../src/security/index.js';
import { isBlobDigest } from '../../src/storage/index.js';
import { Database } from '../../src/index.js';
import { PeerListener } from '../../src/listener/index.js';

const LENGTH = 512_000;

/** What is repeated; before it stands a beginning that pattern may wait for, after it what it does not expect. */
const RUNS: readonly (readonly [before: string, run: string, after: string])[] = [
  ['', 'a', '!'],
  ['', '0', 'x'],
  ['1-', '0a', 'x'],
  ['', ' ', 'x'],
  ['basic', ' ', '!'],
  ['Basic ', 'A', '!'],
  ['Basic ', 'QQ==', ' '],
  ['', '\\', 'x'],
  ['\\u', '\\', 'x'],
  ['sha1-', '\\', '='],
  ['sha1-', '\\/', '='],
  ['', 'sha1-', '='],
  ['', 'sha1-\\', '='],
  ['', '\\u00', 'x'],
  ['', '\\\\u0041', 'x'],
  ['/', '%2e%2e%2f', '/_blipsync'],
  ['', '/', '_blipsync'],
  ['', '?', '#'],
  ['1:', '1:', 'x'],
  ['', '1,', 'x'],
  ['', '1-aa,', 'x'],
  ['', '-', 'x'],
  ['', '(a+)+$', '!'],
  ['', 'zipzi', '.ra'],
  ['', '\u001b[', '\n'],
  ['', '\ud800', '\udc00'],
  ['', 'digest', '"'],
  ['', '{"', '}'],
  ['', '[', ']'],
  ['', '_', 'blob_0'],
  // Numbers and lists as JSON.
  ['', '1', ''],
  ['-0.', '1', ''],
  ['1e', '0', '1'],
  ['[', '1,', '1]'],
  ['{"a":["', '\\\\', '"]}'],
];

/** Everything that reads a text of a peer with a pattern, or a body of one. */
const READERS: Readonly<Record<string, (text: string) => unknown>> = {
  oneLine,
  blobDigestsIn,
  isBlobDigest,
  parseRevisionID,
  documentIDProblem,
  parseHistory: (text) => parseHistory(`2-aa`, text, () => false),
  blobReferences: (text) =>
    blobReferences(JSON.stringify({ pic: { '@type': 'blob', digest: text, content_type: text } })),
  isCompressible: (text) => isCompressible({ digest: '', contentType: text, encoding: text }),
  isBefore: (text) => isBefore(text, '1'),
  parseCheckpoint,
  parseJson,
  checkBody: (text) => checkBody(text, { maxDepth: 100 }),
  readJsonTree,
  checkBodyOfText: (text) => checkBody(JSON.stringify({ [text]: text }), { maxDepth: 100 }),
  sequence: (text) => sequenceText(parseJson(text)),
  changes: (text) => parseChanges([[text, text, text, 0]]),
  proposals: (text) => parseProposals([[text, text, text]]),
  properties: (text) => {
    const read = new MessageProperties(['since', text, text, text]);
    return [read.integer('since'), read.boolean('since'), read.get('absent')];
  },
  legacy: (text) => withoutLegacyAttachments(JSON.stringify({ _attachments: { [text]: { digest: text } } })),
  listed: (text) => listedDigests(JSON.stringify({ _attachments: { [text]: { digest: text } } })),
  applyDelta: (text) => applyDelta(JSON.stringify({ text }), JSON.stringify({ text: [text, 0, 2] }), { maxDepth: 20 }),
  refusal: (text) => refusalError(503, text, 'there'),
  close: (text) => closeCodeToError(1011, text),
  utf8,
};

async function read(name: string, reader: (text: string) => unknown): Promise<void> {
  for (const [before, run, after] of RUNS) {
    process.send?.(`${name}, ${JSON.stringify(before + run)}…`);
    try {
      await reader(before + run.repeat(LENGTH / run.length) + after);
    } catch {
      // It may refuse what it reads.
    }
  }
}

async function readAll(folder: string): Promise<void> {
  for (const [name, reader] of Object.entries(READERS)) await read(name, reader);

  const database = await Database.open(folder, { name: 'ours', logger: silentLogger });
  const documents = await database.createCollection<{ text: string }>('documents');
  const open = new PeerListener({ collections: [documents] });
  const protocols = ['BLIP_3+CBMobile_3'];
  await read('a path', (path) => open.admit({ path, protocols }));
  await read('a protocol', (text) => open.admit({ path: '/ours/_blipsync', protocols: [text] }));
  const passwords = new ListenerPasswordAuthenticator(() => false);
  await read('a password', (authorization) => passwords.authenticate({ authorization }, silentLogger));
  await read('a garbage collection', async (text) => {
    await documents.save('d', { text });
    await database.compact();
  });
  await database.close();
}

const [, , folder = '', what] = process.argv;
if (what === 'careless') await read('careless', (text) => /\\+u00[0-7]/.test(text));
else await readAll(folder);
process.disconnect();
