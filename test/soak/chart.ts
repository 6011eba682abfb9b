/**
 * Draws curves over time as one SVG: panels below each other on the same time axis, and above them what happened when. Knows nothing
 * of what the curves mean. Colours are of medium brightness, and what surrounds them follows the reader's choice of light or dark.
 */

export interface Curve {
  /** The same name has the same colour in all panels. */
  readonly name: string;
  readonly points: readonly (readonly [at: number, value: number])[];
}

export interface Panel {
  readonly title: string;
  /** Written behind the figures of the axis. */
  readonly unit: string;
  readonly curves: readonly Curve[];
  /** Every power of ten has the same height; zero lies at the bottom. */
  readonly logarithmic?: boolean;
  /** Each value is a point by itself. */
  readonly scattered?: boolean;
}

export interface Mark {
  readonly kind: string;
  readonly target: string;
  readonly from: number;
  readonly to: number;
}

export interface Chart {
  readonly title: string;
  readonly subtitle: string;
  /** Of the time axis, in seconds. */
  readonly seconds: number;
  readonly panels: readonly Panel[];
  /** A row for each kind, in this order. */
  readonly kinds: readonly string[];
  readonly marks: readonly Mark[];
  /** Kinds whose beginnings go through all panels. */
  readonly through: readonly string[];
}

export function drawChart(chart: Chart): string {
  const { title, subtitle, panels, kinds, marks, through, seconds } = chart;
  const cuts = marks.filter(({ kind }) => through.includes(kind)).map(({ from }) => from);
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))];
  const colour = (name: string): string => COLOURS[names.indexOf(name) % COLOURS.length] ?? 'grey';
  const x = (at: number): number => LEFT + (Math.min(Math.max(at, 0), seconds) / seconds) * WIDTH;
  const rows = kinds.filter((kind) => marks.some((mark) => mark.kind === kind));
  const marksHeight = rows.length * ROW;
  const top = HEAD + marksHeight + GAP;
  const height = top + panels.length * (PANEL + GAP) + FOOT;
  const axis = timeSteps(seconds);

  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${LEFT + WIDTH + RIGHT} ${round(height)}" font-family="sans-serif" font-size="12">`,
    `<title>${escape(title)}</title>`,
    `<style>${STYLE}</style>`,
    `<rect class="paper" width="100%" height="100%"/>`,
    `<text class="ink" x="16" y="26" font-size="17" font-weight="bold">${escape(title)}</text>`,
    `<text class="soft" x="16" y="45">${escape(subtitle)}</text>`,
    ...legend(names, colour),
    ...rows.flatMap((kind, row) => markRow(kind, HEAD + row * ROW, marks, x)),
    ...panels.flatMap((panel, index) => drawPanel(panel, top + index * (PANEL + GAP), axis, { x, colour, cuts })),
    ...axis.map((at) => text('soft', x(at), height - FOOT + 2, clock(at), 'middle')),
    '</svg>',
    '',
  ].join('\n');
}

interface Scales {
  readonly x: (at: number) => number;
  readonly colour: (name: string) => string;
  /** Lines through the panel. */
  readonly cuts: readonly number[];
}

function legend(names: readonly string[], colour: (name: string) => string): string[] {
  return names.flatMap((name, index) => {
    const left = 16 + index * 110;
    return [
      `<line x1="${left}" x2="${left + 22}" y1="64" y2="64" stroke="${colour(name)}" stroke-width="3"/>`,
      text('ink', left + 28, 68, name),
    ];
  });
}

/** One kind of event: a bar from its beginning to its end, with its target told to who points at it. */
function markRow(kind: string, y: number, marks: readonly Mark[], x: Scales['x']): string[] {
  const bars = marks
    .filter((mark) => mark.kind === kind)
    .map(({ target, from, to }) => {
      const tip = `${kind} ${target}, ${clock(from)}, ${(to - from).toFixed(1)} s`;
      const width = round(Math.max(2, x(to) - x(from)));
      return `<rect class="mark" x="${round(x(from))}" y="${y + 3}" width="${width}" height="${ROW - 5}"><title>${escape(tip)}</title></rect>`;
    });
  const line = `<line class="grid" x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${y + ROW - 1}" y2="${y + ROW - 1}"/>`;
  return [text('ink', LEFT - 8, y + ROW - 4, kind, 'end'), line, ...bars];
}

function drawPanel(panel: Panel, top: number, axis: readonly number[], { x, colour, cuts }: Scales): string[] {
  const { curves, unit, title, logarithmic = false, scattered = false } = panel;
  const highest = Math.max(
    ...curves.flatMap(({ points }) => points.map(([, value]) => value)).filter(Number.isFinite),
    0,
  );
  const steps = logarithmic ? decades(highest) : valueSteps(highest);
  const most = steps.at(-1) ?? 1;
  const share = (value: number): number =>
    logarithmic ? Math.log10(1 + Math.max(0, value)) / Math.log10(1 + most) : Math.max(0, value) / most;
  const y = (value: number): number => top + PANEL - share(value) * (PANEL - TITLE);
  const [first, last] = [round(top + TITLE), round(top + PANEL)];
  return [
    text('ink', LEFT, top + 12, title, 'start', ' font-weight="bold"'),
    ...cuts.map((at) => `<line class="event" x1="${round(x(at))}" x2="${round(x(at))}" y1="${first}" y2="${last}"/>`),
    ...axis.map((at) => `<line class="grid" x1="${round(x(at))}" x2="${round(x(at))}" y1="${first}" y2="${last}"/>`),
    ...steps.flatMap((value) => [
      `<line class="grid" x1="${LEFT}" x2="${LEFT + WIDTH}" y1="${round(y(value))}" y2="${round(y(value))}"/>`,
      text('soft', LEFT - 8, y(value) + 4, `${shortly(value)}${unit === '' ? '' : ` ${unit}`}`, 'end'),
    ]),
    ...curves.flatMap((curve) => drawCurve(curve, x, y, colour(curve.name), scattered)),
  ];
}

/** A value that is no number breaks the line. */
function drawCurve(
  { name, points }: Curve,
  x: Scales['x'],
  y: (value: number) => number,
  stroke: string,
  scattered: boolean,
): string[] {
  let path = '';
  let isDown = false;
  for (const [at, value] of points) {
    const place = `${round(x(at))} ${round(y(value))}`;
    if (Number.isFinite(value)) path += scattered ? `M${place}h0` : `${isDown ? 'L' : 'M'}${place}`;
    isDown = Number.isFinite(value);
  }
  if (path === '') return [];
  const style = scattered ? 'stroke-width="2.5" stroke-linecap="round" opacity="0.6"' : 'stroke-width="1.5"';
  return [`<path d="${path}" fill="none" stroke="${stroke}" ${style}><title>${escape(name)}</title></path>`];
}

/** Two to five figures from 0, the last not below the highest value. */
export function valueSteps(highest: number): number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough) ?? rough;
  return Array.from({ length: Math.ceil(highest / step - 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(12)),
  );
}

function decades(highest: number): number[] {
  const count = Math.max(1, Math.ceil(Math.log10(Math.max(highest, 1))));
  return [0, ...Array.from({ length: count }, (_, index) => 10 ** (index + 1))];
}

function timeSteps(seconds: number): number[] {
  const step = [10, 30, 60, 120, 300, 600, 1_800, 3_600].find((candidate) => seconds / candidate <= 12) ?? 7_200;
  return Array.from({ length: Math.floor(seconds / step) + 1 }, (_, index) => index * step);
}

function text(kind: 'ink' | 'soft', x: number, y: number, content: string, anchor = 'start', more = ''): string {
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}"${more}>${escape(content)}</text>`;
}

function clock(at: number): string {
  return `${Math.floor(at / 60)}:${String(Math.floor(at % 60)).padStart(2, '0')}`;
}

function shortly(value: number): string {
  if (value >= 1e6) return `${value / 1e6} M`;
  return value >= 10_000 ? `${value / 1e3} k` : String(value);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function escape(content: string): string {
  return content.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

const [LEFT, RIGHT, WIDTH] = [90, 24, 886];
const [HEAD, ROW, PANEL, TITLE, GAP, FOOT] = [84, 17, 132, 20, 16, 22];
const COLOURS = ['#3987d9', '#2e9e62', '#d9822b', '#9560d6', '#d64f6f', '#8a8a8a', '#1fa3a3'];
const STYLE = [
  '.paper{fill:#fff}.ink{fill:#222}.soft{fill:#666}.grid{stroke:#8883;stroke-width:1}',
  '.event{stroke:#c6282833;stroke-width:1}.mark{fill:#c62828}',
  '@media (prefers-color-scheme:dark){.paper{fill:#16181c}.ink{fill:#e6e6e6}.soft{fill:#a0a0a0}.event{stroke:#ff8a8033}.mark{fill:#ff8a80}}',
].join('');
