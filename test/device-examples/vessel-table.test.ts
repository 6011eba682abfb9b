/** What people see of the vessel example. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Progress } from '../../device-examples/vessel/progress.js';
import { openView, progressLine, tableLines } from '../../device-examples/vessel/table.js';
import { inHumanUnits } from '../../device-examples/vessel/units.js';

const about = { $source: 'navigation.II', sentence: 'VTG', line: 1 };
const speed = { ...about, path: 'navigation.speedOverGround', value: 2.98892 };

/** A demo under way; `news` gathers what people are told. */
function underWay(news: string[] = []): Progress {
  const progress = new Progress((text) => news.push(text));
  progress.take('navigation', { type: 'saved', saved: 1_500, total: 4_000, latest: speed });
  progress.take('weather', { type: 'saved', saved: 20, total: 1_000, latest: undefined });
  progress.take('bridge', { type: 'stored', counts: { navigation: 1_250, weather: 0, engine: 0 } });
  progress.take('shore', { type: 'stored', counts: { navigation: 1_000, weather: 0, engine: 0 } });
  for (const [sentBytes, at] of [
    [1_000, 0],
    [4_000, 2_000],
  ] as const) {
    const figures = { over: 'serial', roundTripMs: 23.4, retransmissions: 1_012, sentBytes, at } as const;
    progress.take('engine', { type: 'figures', ...figures });
  }
  return progress;
}

describe('what people see', () => {
  test('documents are in SI, people read knots and rpm beside it', () => {
    assert.equal(inHumanUnits(speed), 'speed 5.8 kn (2.99 m/s)');
    assert.equal(
      inHumanUnits({ ...about, path: 'propulsion.engine0.revolutions', value: 30.84 }),
      '1,850 rpm (30.84 Hz)',
    );
    assert.equal(
      inHumanUnits({ ...about, path: 'environment.wind.speedApparent', value: 6.9 }),
      'wind 13.4 kn (6.90 m/s)',
    );
  });

  test('a node that loses the bridge is news once, and so is its return', () => {
    const news: string[] = [];
    const progress = underWay(news);
    for (const activity of [
      'busy',
      'idle',
      'offline',
      'connecting',
      'offline',
      'connecting',
      'busy',
      'idle',
    ] as const) {
      progress.take('weather', {
        type: 'link',
        activity,
        reason: activity === 'offline' ? 'CONNECTION_LOST' : undefined,
      });
    }
    assert.deepEqual(news, ['weather is offline (CONNECTION_LOST) and goes on saving', 'weather is connected again']);
  });

  test('the table has a row for each node and says what is pending', () => {
    const lines = tableLines({ bridgeURL: undefined, shoreURL: 'wss://shore', progress: underWay() });
    assert.deepEqual(lines, [
      '',
      ' node           saved   synced  pending  link       latest',
      ' navigation     1,500    1,250      250  connecting speed 5.8 kn (2.99 m/s)',
      ' weather           20        0       20  connecting',
      ' engine             0        0        0  connecting',
      ' bridge                  1,250           down',
      ' shore                   1,000           listening  wss://shore',
      ' link       over      round trip    repeated     goodput',
      ' engine     serial         23 ms       1,012    1.5 kB/s',
      ' [########................................] 20 % of 5,000 on the shore',
    ]);
  });

  test('a line says the same', () => {
    assert.equal(
      progressLine({ bridgeURL: undefined, shoreURL: undefined, progress: underWay() }),
      'saved 1,520 of 5,000, synced 1,250, pending 270, 1,000 on the shore, bridge down | engine over serial 23 ms, 1,012 repeated | speed 5.8 kn (2.99 m/s)',
    );
  });

  test('a terminal is redrawn in place and never wrapped; a pipe gets plain lines', () => {
    for (const isTTY of [true, false]) {
      const written: string[] = [];
      const screen = { isTTY, columns: 40, write: (text: string) => written.push(text) };
      const view = openView(screen, () => ({
        bridgeURL: 'wss://127.0.0.1:4984/vessel',
        shoreURL: undefined,
        progress: underWay(),
      }));
      view.tell('one');
      view.tell('two');
      view.end();
      const text = written.join('');
      assert.equal(text.includes('\u001b['), isTTY);
      if (isTTY)
        assert.equal(text.split('\u001b[10A\u001b[J').length, 3, 'drawn three times, erased before the last two');
      // eslint-disable-next-line no-control-regex -- the sequences that move the cursor
      const lines = text.replaceAll(/\u001b\[\d*[AJ]/g, '').split('\n');
      assert.ok(lines.every((line) => line.length < 40));
    }
  });
});
