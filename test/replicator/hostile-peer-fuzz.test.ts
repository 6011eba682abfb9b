/**
 * Thousands of damaged messages of every kind in both directions. Whatever they say, each that wants an answer gets one or
 * the connection ends with a reason, nothing is thrown past the session, and the database stays sound.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/index.js';
import {
  againstRaw,
  caughtUp,
  collectionOf,
  connectRaw,
  getCollections,
  polite,
  revisionID,
  serveRaw,
  type Served,
} from '../support/hostile.js';
import { Mutator, type RawMessage } from '../support/mutate.js';
import { contents, openPeer, type Peer } from '../support/peers.js';
import type { RawBlipPeer, RawHandler } from '../support/raw-blip-peer.js';

const LIMIT = { timeout: 120_000 };
const SEED = Number(process.env['HAWSER_FUZZ_SEED'] ?? 20_260_101);
const REQUESTS = Number(process.env['HAWSER_FUZZ_REQUESTS'] ?? 5_000);
const TOGETHER = 250;

/** What is damaged: one sound message of each kind, about document `d<number>`. */
const messages: Readonly<Record<string, (number: number) => RawMessage>> = {
  getCollections: () => ({ properties: {}, body: '{"collections":["metrics"],"checkpoint_ids":["cp-a"]}' }),
  getCheckpoint: (number) => ({ properties: { collection: '0', client: `c${number}` }, body: '' }),
  setCheckpoint: (number) => ({
    properties: { collection: '0', client: `c${number}`, rev: '' },
    body: '{"time":1,"local":5,"localCompleted":[0,3,5,1],"remote":"5::42"}',
  }),
  subChanges: () => ({
    properties: { collection: '0', since: '0', batch: '200', versioning: 'rev-trees', activeOnly: 'true' },
    body: '{"docIDs":["d1","d2"]}',
  }),
  proposeChanges: (number) => ({
    properties: { collection: '0', conflictIncludesRev: 'true' },
    body: `[["d${number}","2-bb","1-aa",29],["e","1-aa"],["d${number % 7}","1-ab","",5]]`,
  }),
  changes: (number) => ({
    properties: { collection: '0' },
    body: `[[${number},"d${number}","2-bb",1,29],["${number}::5","e","1-aa"],[null,"d${number % 7}","1-ab",false,5]]`,
  }),
  rev: (number) => ({
    properties: {
      collection: '0',
      id: `d${number % 50}`,
      rev: `${1 + (number % 4)}-${'abcdef'.charAt(number % 6).repeat(2)}`,
      sequence: String(number),
      history: number % 4 === 0 ? '' : `${number % 4}-aa`,
      noconflicts: '1',
      deleted: number % 9 === 0 ? '1' : '',
    },
    body: `{"n":${number},"text":"é","list":[1.0,{"a":null}]}`,
  }),
  norev: (number) => ({
    properties: { collection: '0', id: `d${number}`, rev: '2-bb', sequence: String(number), error: '404' },
    body: '',
  }),
  getAttachment: () => ({ properties: { collection: '0', digest: 'sha1-x=', docID: 'd1' }, body: '' }),
};

/** Every document can be read, and there are as many as the database says. */
async function assertConsistent(peer: Peer, where: string): Promise<void> {
  assert.deepEqual(await peer.database.integrityCheck(), [], where);
  assert.equal((await contents(peer.metrics)).length, await peer.metrics.count(), where);
}

describe('damaged requests', LIMIT, () => {
  for (const [profile, make] of Object.entries(messages)) {
    it(`of kind ${profile} from an active peer cost an answer each, and nothing else, seed ${SEED}`, async (context) => {
      const mutator = new Mutator(seededRandom(SEED + profile.length));
      const served: Served = await serveRaw(context);
      await served.peer.metrics.save('d1', { mine: true });
      const answers = new Map<string, number>();
      // Only the first success of this one counts on a connection.
      const together = profile === 'getCollections' ? 20 : TOGETHER;
      let raw = served.raw;
      for (let done = 0; done < REQUESTS; done += together) {
        if (done > 0) raw = await connectRaw(context, served.listener);
        if (profile !== 'getCollections') await getCollections(raw);
        void answerFeed(raw, mutator);
        const replies = Array.from({ length: together }, (_, index) => {
          const { properties, body } = mutator.message(make(done + index));
          return raw.request({ ...properties, Profile: profile }, body);
        });
        for (const reply of await Promise.allSettled(replies)) {
          assert.equal(reply.status, 'fulfilled', `${profile}: ${raw.isOver ? 'the connection ended' : 'no answer'}`);
          const error = reply.value.error ?? 'success';
          answers.set(error, (answers.get(error) ?? 0) + 1);
          assert.match(error, /^(?:success|(?:HTTP|BLIP|LiteCore)\/\d+)$/);
          assert.notEqual(error, 'BLIP/501', `an unexpected exception: ${reply.value.text}`);
          assert.notEqual(error, 'HTTP/503', `trouble of our own: ${reply.value.text}`);
        }
        await raw.leave();
      }
      context.diagnostic(`${profile}: ${[...answers].map(([error, count]) => `${error} ${count}`).join(', ')}`);
      assert.deepEqual(
        served.errors.filter(({ code }) => !code.startsWith('REPLICATION_REMOTE')),
        [],
      );
      await assertConsistent(served.peer, profile);
    });
  }

  for (const profile of ['changes', 'rev', 'norev', 'proposeChanges']) {
    it(`of kind ${profile} from a passive peer cost a document or the connection, seed ${SEED}`, async (context) => {
      const mutator = new Mutator(seededRandom(SEED * 3 + profile.length));
      const peer = await openPeer(context, 'ours');
      const make = messages[profile] as (number: number) => RawMessage;
      // A list that cannot be read ends the session, so of those there are fewer together.
      const together = profile === 'changes' ? 4 : TOGETHER;
      let sessions = 0;
      for (let done = 0; done < (profile === 'changes' ? REQUESTS / 10 : REQUESTS); done += together) {
        sessions++;
        const server = await againstRaw(
          context,
          {
            subChanges: async (request, raw) => {
              raw.reply(request);
              const collection = collectionOf(request);
              await Promise.allSettled(
                Array.from({ length: together }, async (_, index) => {
                  const { properties, body } = mutator.message(make(done + index));
                  const reply = await raw.request({ ...properties, Profile: profile }, body);
                  if (profile !== 'changes' || reply.error !== undefined) return;
                  // Half of what is wanted comes, half of that damaged.
                  for (let count = mutator.below(4); count > 0; count--) {
                    const rev = mutator.message((messages['rev'] as typeof make)(done + index + count));
                    await raw.request({ ...collection, ...rev.properties, Profile: 'rev' }, rev.body);
                  }
                }),
              );
              if (!raw.isOver) caughtUp(request, raw);
              await raw.request({ Profile: 'isAnybodyThere' }).catch(() => undefined);
              await raw.leave();
            },
          },
          { peer, type: 'pull' },
        );
        server.replicator.start();
        const error = await server.replicator.stopped();
        assert.ok(
          error === undefined || ['REPLICATION_PROTOCOL_ERROR', 'CONNECTION_CLOSED_BY_PEER'].includes(error.code),
          `${error?.code} ${error?.message}`,
        );
      }
      context.diagnostic(`${profile}: ${sessions} sessions`);
      await assertConsistent(peer, profile);
    });
  }
});

describe('damaged answers', LIMIT, () => {
  it(`of a passive peer end a session with a coded error, or are overlooked, seed ${SEED}`, async (context) => {
    const mutator = new Mutator(seededRandom(SEED * 7));
    const peer = await openPeer(context, 'ours');
    const endings = new Map<string, number>();
    for (let session = 0; session < 200; session++) {
      await peer.metrics.save(`d${session % 20}`, { session });
      const damage =
        (answer: string): RawHandler =>
        (request, raw) => {
          const { properties, body } = mutator.message({ properties: { rev: '1-cc', maxHistory: '50' }, body: answer });
          const kind = mutator.below(12);
          if (kind === 0)
            return raw.refuse(request, mutator.pick(['HTTP/503', 'HTTP/409', 'LiteCore/5', 'X/-1']), 'no');
          if (kind < 6) raw.reply(request, body, { ...properties, Profile: '' });
          else return polite[request.profile]?.(request, raw);
        };
      const server = await againstRaw(
        context,
        {
          getCollections: damage('[{"rev":"1-cc","local":3,"localCompleted":[0,2,3,1],"remote":7}]'),
          setCheckpoint: damage(''),
          getCheckpoint: damage('{"local":3}'),
          proposeChanges: damage('[0,304,{"status":409,"rev":"1-aa"}]'),
          rev: damage(''),
          subChanges: (request, raw) => {
            raw.reply(request);
            caughtUp(request, raw);
          },
        },
        { peer },
      );
      server.replicator.start();
      const error = await server.replicator.stopped();
      const code = error?.code ?? 'success';
      endings.set(code, (endings.get(code) ?? 0) + 1);
    }
    context.diagnostic([...endings].map(([code, count]) => `${code} ${count}`).join(', '));
    assert.deepEqual(
      [...endings.keys()].filter((code) => !/^(?:success|REPLICATION_|CONNECTION_UNAVAILABLE|REMOTE_)/.test(code)),
      [],
    );
    await assertConsistent(peer, 'answers');
  });
});

/** Answers a feed of ours with damaged answers as long as the connection is there; some not at all. */
async function answerFeed(raw: RawBlipPeer, mutator: Mutator): Promise<void> {
  const answer = async (profile: string, body: string): Promise<void> => {
    for (;;) {
      const request = await raw.next(profile);
      const kind = mutator.below(10);
      if (kind === 0) continue;
      if (kind === 1) raw.refuse(request, mutator.pick(['HTTP/409', 'HTTP/422', 'LiteCore/31', 'X/-1']), 'no');
      else raw.reply(request, mutator.body(body), { maxHistory: String(mutator.below(60) - 5) });
    }
  };
  const isOver = (): void => undefined;
  answer('changes', `[[],["${revisionID(1)}"],0,[],[]]`).catch(isOver);
  answer('rev', '').catch(isOver);
  if (mutator.below(2) === 0) await raw.request({ Profile: 'subChanges', collection: '0', continuous: 'true' });
}
