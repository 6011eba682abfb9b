import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { seededRandom } from '../../src/index.js';
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

  it('waits for what is begun anew after it was finished or put off', () => {
    const sequences = new RemoteSequences(undefined);
    for (const sequence of ['1', '2', '3']) sequences.begin(sequence);
    sequences.putOff('3');
    sequences.putOff('2');
    sequences.finish('1');
    assert.equal(sequences.position, '1');
    sequences.begin('1');
    assert.deepEqual([sequences.unfinished, sequences.position], [1, '1']);
  });

  it('does as a list of everything ever announced would do, with random announcements', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const random = seededRandom(seed);
      const sequences = new RemoteSequences('0');
      const all: { sequence: string; state: 'unfinished' | 'done' | 'put off' }[] = [];
      for (let step = 0; step < 400; step++) {
        const open = all.filter(({ state }) => state === 'unfinished');
        const one = open[Math.floor(random.next() * open.length)];
        const kind = random.next();
        if (kind < 0.4 || one === undefined) {
          all.push({ sequence: String(all.length + 1), state: 'unfinished' });
          sequences.begin(String(all.length));
        } else if (kind < 0.55) {
          all.push({ sequence: String(all.length + 1), state: 'done' });
          sequences.skip(String(all.length));
        } else if (kind < 0.99) {
          one.state = 'done';
          assert.equal(sequences.finish(one.sequence), true);
        } else {
          one.state = 'put off';
          sequences.putOff(one.sequence);
        }
        const first = all.findIndex(({ state }) => state !== 'done');
        const expected = first < 0 ? all.length : first;
        assert.equal(sequences.position, String(expected), `seed ${seed}, step ${step}`);
        assert.equal(sequences.unfinished, all.filter(({ state }) => state === 'unfinished').length);
      }
    }
  });
});
