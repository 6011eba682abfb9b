import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RemoteSequences } from '../../src/replicator/remote-sequences.js';

describe('RemoteSequences', () => {
  it('stays at the position before the oldest unfinished sequence', () => {
    const sequences = new RemoteSequences('4');
    sequences.begin('5');
    sequences.begin('6');
    sequences.skip('7');
    sequences.finish('6');
    assert.equal(sequences.position, '4');
    sequences.finish('5');
    assert.equal(sequences.position, '7');
    assert.equal(sequences.unfinished, 0);
  });

  it('takes sequences as opaque text in the order of their arrival', () => {
    const sequences = new RemoteSequences(undefined);
    sequences.begin('"5::10"');
    sequences.begin('3');
    sequences.finish('3');
    assert.equal(sequences.position, undefined);
    sequences.finish('"5::10"');
    assert.equal(sequences.position, '3');
  });

  it('wants a sequence that was announced twice to be finished twice', () => {
    const sequences = new RemoteSequences(undefined);
    sequences.begin('1');
    sequences.begin('1');
    assert.equal(sequences.finish('1'), true);
    assert.equal(sequences.position, undefined);
    assert.equal(sequences.finish('1'), true);
    assert.equal(sequences.finish('1'), false);
    assert.equal(sequences.position, '1');
  });

  it('refuses to finish what was never announced', () => {
    assert.equal(new RemoteSequences(undefined).finish('9'), false);
  });

  it('never passes a sequence that was put off, and waits for it no more', () => {
    const sequences = new RemoteSequences(undefined);
    sequences.begin('1');
    sequences.begin('2');
    sequences.begin('3');
    sequences.finish('1');
    sequences.putOff('2');
    sequences.finish('3');
    assert.equal(sequences.unfinished, 0);
    assert.equal(sequences.position, '1');
  });
});
