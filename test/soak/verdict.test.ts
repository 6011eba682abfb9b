/** The rules of the soak on made-up records: what grows without reason is found, and what only comes and goes is not. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ROLES } from '../../device-examples/vessel/readings.js';
import { PARTS, PEERS, type PeerSample, type ProcessSample, type SoakRecord } from './record.js';
import { median, quantile, slope } from './statistics.js';
import { judge, livesOf, type Finding } from './verdict.js';

const MIB = 1024 * 1024;
const SECONDS = 1_200;
const CALM_FROM = 1_080;
const RATE = 10;

interface Changes {
  readonly process?: (process: ProcessSample, at: number) => Partial<ProcessSample>;
  readonly peer?: (peer: PeerSample, at: number) => Partial<PeerSample>;
  readonly onShore?: (saved: number, at: number) => number;
  readonly absences?: SoakRecord['absences'];
}

/** A healthy soak of twenty minutes, a sample every two seconds, with a heap that is collected every half a minute. */
function record({ process, peer, onShore, absences = [] }: Changes = {}): SoakRecord {
  const samples = Array.from({ length: SECONDS / 2 }, (_, index) => {
    const at = (index + 1) * 2;
    const saved = at * RATE;
    const processes = PARTS.map((part, number) => {
      const heap = 70 + 20 * ((at % 30) / 30);
      const figures = { part, pid: 100 + number, handles: 30, sockets: 4, threads: 11, cpu: 0.05 };
      const healthy: ProcessSample = { ...figures, rssMiB: heap, peakRssMiB: 95 };
      return { ...healthy, ...process?.(healthy, at) };
    });
    const peers = PEERS.map((name) => {
      const documents = name === 'bridge' || name === 'shore' ? saved * 3 : Math.min(saved, RATE * 60);
      const healthy: PeerSample = {
        peer: name,
        documents,
        databaseBytes: documents * 400,
        walBytes: 16 * MIB,
        blobBytes: 0,
      };
      return { ...healthy, ...peer?.(healthy, at) };
    });
    const lags = ROLES.map((role) => ({ role, saved, onBridge: saved, onShore: onShore?.(saved, at) ?? saved - 2 }));
    return { at, processes, peers, lags };
  });
  return {
    ...{ seed: 1, seconds: SECONDS, killsEndAt: SECONDS / 2, calmFrom: CALM_FROM, keepSeconds: 60, returned: 0 },
    ...{ pace: { navigation: RATE, weather: RATE, engine: RATE }, samples, absences, events: [], probes: [] },
  };
}

function broken(found: SoakRecord): Pick<Finding, 'rule' | 'subject'>[] {
  return judge(found)
    .filter(({ isGood }) => !isGood)
    .map(({ rule, subject }) => ({ rule, subject: subject.replace(/ \(.*/, '') }));
}

describe('the verdict', () => {
  test('a saw-tooth that is flat breaks no rule, and every rule is asked', () => {
    const findings = judge(record());
    assert.deepEqual(broken(record()), []);
    const rules = ['connection', 'database', 'forgetting', 'handles', 'lag', 'log', 'memory', 'threads'];
    assert.deepEqual([...new Set(findings.map(({ rule }) => rule))].sort(), rules);
  });

  test('a leak below a saw-tooth is found, in the process that has it', () => {
    const leak = record({ process: ({ part, rssMiB }, at) => (part === 'bridge' ? { rssMiB: rssMiB + at / 24 } : {}) });
    assert.deepEqual(broken(leak), [{ rule: 'memory', subject: 'bridge' }]);
  });

  test('a step of memory in the middle is none', () => {
    const step = record({ process: ({ rssMiB }, at) => ({ rssMiB: rssMiB + (at > SECONDS / 4 ? 30 : 0) }) });
    assert.deepEqual(broken(step), []);
  });

  test('a life that is too short is not judged, and each process is a life', () => {
    const grows = record({
      process: ({ part, pid, rssMiB }, at) =>
        part === 'engine' ? { pid: pid * 1_000 + Math.floor(at / 100), rssMiB: rssMiB + (at % 100) } : {},
    });
    assert.equal(livesOf(grows).filter(({ part }) => part === 'engine').length, 13);
    assert.deepEqual(broken(grows), []);
  });

  test('a handle that is left open at every reconnection is found', () => {
    const leak = record({ process: ({ part }, at) => (part === 'shore' ? { handles: 30 + Math.floor(at / 60) } : {}) });
    assert.deepEqual(broken(leak), [{ rule: 'handles', subject: 'shore' }]);
    const threads = record({
      process: ({ part }, at) => (part === 'shore' ? { threads: 11 + Math.floor(at / 60) } : {}),
    });
    assert.deepEqual(broken(threads), [{ rule: 'threads', subject: 'shore' }]);
  });

  test('a log that is not moved into the file is found', () => {
    const log = record({ peer: ({ peer }, at) => (peer === 'bridge' ? { walBytes: (at / 20) * MIB } : {}) });
    assert.deepEqual(broken(log), [{ rule: 'log', subject: 'bridge' }]);
  });

  test('a file that grows though its documents do not is found, one that grows with them is not', () => {
    const grows = record({ peer: ({ peer }, at) => (peer === 'weather' ? { databaseBytes: at * 4_000 } : {}) });
    assert.deepEqual(broken(grows), [{ rule: 'database', subject: 'weather' }]);
    const backlog = record({
      peer: ({ peer }, at) => (peer === 'weather' && at > 600 && at < 800 ? { documents: 9_000 } : {}),
    });
    assert.deepEqual(broken(backlog), []);
  });

  test('a node that forgets nothing is found', () => {
    const keeps = record({
      peer: ({ peer }, at) => (peer === 'engine' ? { documents: at * RATE, databaseBytes: at * RATE * 400 } : {}),
    });
    assert.deepEqual(broken(keeps), [{ rule: 'forgetting', subject: 'engine' }]);
  });

  test('a node that does not come back is found, by its lag and by its absence', () => {
    const away = record({
      onShore: (saved, at) => Math.min(saved, at < 900 ? saved : 900 * RATE),
      absences: [{ role: 'weather', from: 900, to: SECONDS }],
    });
    assert.deepEqual(
      broken(away).filter(({ subject }) => subject === 'weather'),
      [
        { rule: 'lag', subject: 'weather' },
        { rule: 'connection', subject: 'weather' },
      ],
    );
  });
});

describe('figures that a few odd values do not move', () => {
  test('median and quantiles', () => {
    assert.equal(median([3, 1, 1_000]), 3);
    assert.equal(quantile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.95), 10);
    assert.ok(Number.isNaN(median([])));
  });

  test('the slope of a line with outliers is that of the line', () => {
    const line = Array.from({ length: 1_000 }, (_, x) => [x, x % 10 === 0 ? 5_000 : 2 * x] as const);
    assert.ok(Math.abs(slope(line) - 2) < 0.1);
    assert.equal(slope([[1, 1]]), 0);
  });
});
