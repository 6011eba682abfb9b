/** What a replicator may be configured with, collection by collection; bad shapes are refused with the option named. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LoopbackEndpoint, Replicator, type HawserError } from '../../src/index.js';
import { rulesOf } from '../../src/replicator/collection-configuration.js';
import { openPeer } from '../support/peers.js';

const target = new LoopbackEndpoint(() => undefined, 'remote');

describe('the configuration of a collection', () => {
  it('87. is refused where it is wrong, with the collection and the option named', async (context) => {
    const { metrics: collection } = await openPeer(context, 'a');
    for (const [given, code, named] of [
      [{}, 'ARGUMENT_INVALID', 'collections must hold'],
      [null, 'ARGUMENT_INVALID', 'collections must hold'],
      [{ collection: 'metrics' }, 'ARGUMENT_INVALID', 'collection must be'],
      [{ collection, pushfilter: () => true }, 'OPTION_UNKNOWN', '"metrics": unknown option "pushfilter"'],
      [{ collection, pushFilter: true }, 'ARGUMENT_INVALID', '"metrics": pushFilter'],
      [{ collection, pullFilter: 'all' }, 'ARGUMENT_INVALID', '"metrics": pullFilter'],
      [{ collection, conflictResolver: null }, 'ARGUMENT_INVALID', '"metrics": conflictResolver'],
      [{ collection, channels: [] }, 'ARGUMENT_INVALID', '"metrics": channels'],
      [{ collection, channels: 'a' }, 'ARGUMENT_INVALID', '"metrics": channels'],
      [{ collection, channels: ['a', ''] }, 'ARGUMENT_INVALID', '"metrics": channels: ""'],
      [{ collection, channels: ['a,b'] }, 'ARGUMENT_INVALID', '"metrics": channels: "a,b"'],
      [{ collection, documentIDs: [] }, 'ARGUMENT_INVALID', '"metrics": documentIDs'],
      [{ collection, documentIDs: ['ok', 7] }, 'ARGUMENT_INVALID', '"metrics": documentIDs: 7 must be text'],
      [{ collection, documentIDs: ['ok', ''] }, 'ARGUMENT_INVALID', '"metrics": documentIDs: ""'],
      [{ collection, documentIDs: ['_design'] }, 'ARGUMENT_INVALID', '"metrics": documentIDs: "_design"'],
      [{ collection, documentIDs: ['x'.repeat(300)] }, 'ARGUMENT_INVALID', '"metrics": documentIDs'],
      [
        { collection, documentIDs: Array.from({ length: 8_000 }, (_, at) => `${at}`.padEnd(200, 'x')) },
        'ARGUMENT_INVALID',
        'longer than a peer has to read',
      ],
    ] as const) {
      assert.throws(
        () => new Replicator({ target, collections: [given as never] }),
        (error: HawserError) => error.code === code && error.message.includes(named),
        named,
      );
    }
    assert.throws(() => new Replicator({ target, collections: [collection, { collection }] }), /named twice/);
  });

  it('87. as the other options, has to be of the right kind', async (context) => {
    const { metrics } = await openPeer(context, 'a');
    for (const [option, value] of [
      ['continuous', 'yes'],
      ['enableAutoPurge', 1],
      ['enableRevisionBatches', 'no'],
      ['enableRevisionBatches', null],
      ['compression', { level: 10 }],
      ['compression', { windowBits: 8 }],
      ['acceptOnlySelfSignedServerCertificate', 'no'],
      ['authenticator', 'user:password'],
      ['headers', 'X: 1'],
      ['headers', null],
      ['headers', { X: 1 }],
      ['pinnedServerCertificate', '-----BEGIN CERTIFICATE-----'],
    ] as const) {
      assert.throws(
        () => new Replicator({ target, collections: [metrics], [option]: value }),
        (error: HawserError) => error.code === 'ARGUMENT_INVALID' && error.message.includes(option),
        option,
      );
    }
  });

  it('88. has defaults, and is a copy that nobody changes', async (context) => {
    const { metrics: collection, database } = await openPeer(context, 'a');
    const other = database.collection('other');
    const documentIDs = ['a', 'b'];
    const pushFilter = (): boolean => true;
    const { config } = new Replicator({ target, collections: [other, { collection, documentIDs, pushFilter }] });
    documentIDs.push('c');
    assert.equal(config.enableAutoPurge, true);
    assert.equal(config.enableRevisionBatches, true);
    const plain = new Replicator({ target, collections: [other], enableRevisionBatches: false });
    assert.equal(plain.config.enableRevisionBatches, false);
    assert.deepEqual(config.collections, [{ collection: other }, { collection, documentIDs: ['a', 'b'], pushFilter }]);
    assert.ok(config.collections.every((entry) => Object.isFrozen(entry)));
    const [whole, some] = config.collections.map((entry) => rulesOf(entry));
    assert.deepEqual(whole, {
      conflictResolver: undefined,
      pushFilter: undefined,
      pullFilter: undefined,
      channels: undefined,
      documentIDs: undefined,
    });
    assert.deepEqual(some, { ...whole, pushFilter, documentIDs: new Set(['a', 'b']) });
  });
});
