/** The picture of the soak: well-formed whatever is in it, and with everything in it. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { drawChart, valueSteps, type Chart } from './chart.js';

const CHART: Chart = {
  title: 'A < B & "C"',
  subtitle: 'one minute',
  seconds: 60,
  kinds: ['cut', 'kill', 'noise'],
  marks: [
    { kind: 'cut', target: 'a–b', from: 5, to: 9 },
    { kind: 'kill', target: '<bridge>', from: 20, to: 20 },
  ],
  through: ['kill'],
  panels: [
    {
      title: 'Memory',
      unit: 'MiB',
      curves: [
        {
          name: 'bridge',
          points: [
            [0, 10],
            [20, NaN],
            [40, 30],
            [60, 20],
          ],
        },
        { name: 'shore', points: [] },
      ],
    },
    {
      title: 'Lag',
      unit: '',
      logarithmic: true,
      curves: [
        {
          name: 'bridge',
          points: [
            [0, 0],
            [60, 5_000],
          ],
        },
      ],
    },
    {
      title: 'Delay',
      unit: 'ms',
      scattered: true,
      curves: [
        {
          name: 'weather',
          points: [
            [1, 3],
            [2, 4],
          ],
        },
      ],
    },
    { title: 'Nothing', unit: '', curves: [] },
  ],
};

/** Throws where tags are not closed in order, an attribute is not quoted, or a character is not escaped. */
function checkWellFormed(svg: string): void {
  const open: string[] = [];
  const rest = svg.replace(
    /<(\/?)([a-z]+)((?: [a-zA-Z:-]+[a-zA-Z0-9]*="[^"<]*")*)(\/?)>/g,
    (_, end, name, __, single) => {
      if (end === '/') assert.equal(open.pop(), name);
      else if (single !== '/') open.push(String(name));
      return '';
    },
  );
  assert.deepEqual(open, []);
  assert.doesNotMatch(rest, /[<>]|&(?!#\d+;)/);
}

describe('the picture', () => {
  const svg = drawChart(CHART);

  test('is well-formed, with nothing that is no number', () => {
    checkWellFormed(svg);
    assert.doesNotMatch(svg, /NaN|undefined|Infinity/);
    assert.throws(() => checkWellFormed(svg.replace('</title>', '')));
  });

  test('has a title for each panel and a row for each kind that happened', () => {
    for (const word of ['Memory', 'Lag', 'Delay', 'Nothing', 'A &#60; B &#38; &#34;C&#34;', '>cut<', '>kill<']) {
      assert.ok(svg.includes(word), word);
    }
    assert.ok(!svg.includes('>noise<'));
    assert.equal(
      svg.match(/class="event"/g)?.length,
      CHART.panels.length,
      'a line through each panel for the kill alone',
    );
  });

  test('breaks a curve where there is no value, and draws nothing for one without any', () => {
    const paths = [...svg.matchAll(/<path d="([^"]+)"/g)].map(([, path]) => path ?? '');
    assert.equal(paths.length, 3);
    assert.match(paths[0] ?? '', /^M[\d. ]+M[\d. ]+L[\d. ]+$/);
  });

  test('follows the choice of light or dark', () => {
    assert.match(svg, /prefers-color-scheme:dark/);
    assert.doesNotMatch(svg, /<text(?! class=)/);
  });

  test('can be of nothing at all', () => {
    checkWellFormed(drawChart({ ...CHART, panels: [], marks: [] }));
  });
});

test('an axis has few steps, from 0 to what is not below the highest', () => {
  for (const highest of [0.004, 1, 3, 6, 36, 99, 100, 101, 12_345]) {
    const steps = valueSteps(highest);
    assert.ok(steps.length >= 2 && steps.length <= 6, `${highest}: ${steps.join()}`);
    assert.equal(steps[0], 0);
    assert.ok((steps.at(-1) ?? 0) >= highest);
  }
  assert.deepEqual(valueSteps(0), [0, 1]);
});
