// The last hour in small pictures: rates and latencies of all deliveries, and the attempts of each lane.
//
// The minute that runs is not over, so a curve that ended with it would always fall. Curves and large figures end with the last
// whole minute, and the minute that runs has a word of its own.
import { get } from './api.js';
import { el, setText } from './dom.js';
import { clock, count, millis, moment } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 240;
const HEIGHT = 48;
const TRENDS_MS = 30000; // a span of a lane's curve is two minutes

function svgNode(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

const across = (i, n) => ((i * WIDTH) / Math.max(n - 1, 1)).toFixed(1);
const up = (value, top) => (HEIGHT - 1 - (value / top) * (HEIGHT - 3)).toFixed(1);

// A path through VALUES. It has a gap where there is none (null).
function curve(values, top) {
  let path = '';
  let isDown = false;
  values.forEach((value, i) => {
    if (value !== null) path += `${isDown ? 'L' : 'M'}${across(i, values.length)} ${up(value, top)}${isDown ? '' : 'h0'}`;
    isDown = value !== null;
  });
  return path;
}

// The area below VALUES; nothing if all of them are 0.
const area = (values, top) => (values.some(Boolean) ? `${curve(values, top)}V${HEIGHT}H0Z` : '');

function picture(...paths) {
  return svgNode('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', class: 'spark', 'aria-hidden': 'true' },
    svgNode('path', { class: 'base', d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }), ...paths);
}

// --- all deliveries ---

// `also` is a part of `key`, or a second curve beside it.
const CHARTS = [
  { name: 'Accepted', key: 'accepted', also: 'refused', word: 'refused', show: count },
  { name: 'Attempts', key: 'sent', also: 'failed', word: 'failed', show: count },
  { name: 'Died', key: 'dead', show: count },
  { name: 'Accepted to delivered, 99 %', key: 'delivery_p99_ms', also: 'delivery_p50_ms', word: 'median', isTime: true, show: (ms) => millis(ms === null ? null : Math.round(ms)) },
  { name: 'Duration of an attempt, 99 %', key: 'attempt_p99_ms', also: 'attempt_p50_ms', word: 'median', isTime: true, show: (ms) => millis(ms === null ? null : Math.round(ms)) },
];

function figure(chart) {
  const [fill, main, also, cursor] = ['area', 'line', chart.isTime ? 'second' : 'fails', 'cursor'].map((name) => svgNode('path', { class: name }));
  const [big, running, rest] = ['strong', 'span', 'span'].map((tag) => el(tag));
  const svg = picture(fill, main, also, cursor);
  const node = el('figure', null, el('figcaption', null, el('b', null, chart.name), big, running, rest), svg);
  let minutes = []; // whole ones, oldest first
  let unfinished = {}; // the minute that runs
  let at = -1; // the minute below the pointer

  const value = (minute, key) => (typeof minute?.[key] === 'number' ? minute[key] : chart.isTime ? null : 0);
  const words = (minute) => `${chart.show(value(minute, chart.key))}${chart.also ? `, ${chart.word} ${chart.show(value(minute, chart.also))}` : ''}`;

  // What is told of the minute below the pointer, or of the last whole one.
  function tell() {
    const last = minutes.at(-1);
    const pointed = minutes[at];
    const values = minutes.map((m) => value(m, chart.key)).filter((v) => v !== null);
    const also = chart.also ? `, ${chart.word} ${chart.show(value(last, chart.also))}` : '';
    setText(big, chart.show(value(last, chart.key)));
    setText(running, pointed ? `${clock(moment(pointed.at))}: ${words(pointed)}` : `this minute so far ${chart.show(value(unfinished, chart.key))}`);
    setText(rest, `peak ${chart.show(values.length ? Math.max(...values) : null)}${also}`);
    cursor.setAttribute('d', pointed ? `M${across(at, minutes.length)} 0V${HEIGHT}` : '');
  }

  function update(whole, now) {
    minutes = whole;
    unfinished = now;
    const [values, others] = [chart.key, chart.also].map((key) => minutes.map((m) => value(m, key)));
    const top = Math.max(1, ...values, ...others);
    fill.setAttribute('d', chart.isTime || !values.length ? '' : area(values, top));
    main.setAttribute('d', curve(values, top));
    also.setAttribute('d', !chart.also || !values.length ? '' : chart.isTime ? curve(others, top) : area(others, top));
    tell();
  }

  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    at = Math.min(minutes.length - 1, Math.max(0, Math.round(((event.clientX - box.left) / box.width) * (minutes.length - 1))));
    tell();
  });
  svg.addEventListener('pointerleave', () => { at = -1; tell(); });
  return { node, update };
}

// The charts of `/api/history`.
export function history() {
  const charts = CHARTS.map(figure);
  const note = el('p', { class: 'quiet' });
  function update(past) {
    const minutes = [...(past?.items ?? [])].sort((a, b) => (a.at < b.at ? -1 : 1));
    const running = minutes.pop();
    const last = moment(minutes.at(-1)?.at);
    setText(note, last ? `The large figures are of the last whole minute, ${clock(last)}.` : '');
    for (const chart of charts) chart.update(minutes, running);
  }
  return { nodes: [el('h2', null, 'The last hour, minute by minute'), note, el('div', { class: 'charts' }, charts.map((c) => c.node))], update };
}

// --- lanes ---

// The curves of `/api/history/lanes`. `refresh` asks for them at most every 30 seconds; `of` is a lane's {done, failed}, oldest span
// first, without the one that runs. A lane that is not among the busiest has none.
export function trends() {
  let lanes = new Map();
  let askedAt = -Infinity;
  const whole = (counts) => counts.slice(1).reverse();
  return {
    async refresh(signal) {
      if (performance.now() - askedAt < TRENDS_MS) return;
      const past = await get('/api/history/lanes', signal);
      askedAt = performance.now();
      lanes = new Map(past.items.map((t) => [t.id, { done: whole(t.done), failed: whole(t.failed) }]));
    },
    of: (lane) => lanes.get(lane) ?? null,
  };
}

// A lane's attempts of the last hour: all of them, and below in red those that failed.
export function spark(trend) {
  if (!trend) return '';
  const all = trend.done.map((n, i) => n + trend.failed[i]);
  const sum = (counts) => counts.reduce((a, b) => a + b, 0);
  const top = Math.max(1, ...all);
  return el('span', { role: 'img', 'aria-label': `${count(sum(all))} attempts, ${count(sum(trend.failed))} failed` },
    picture(svgNode('path', { class: 'area', d: area(all, top) }), svgNode('path', { class: 'line', d: curve(all, top) }), svgNode('path', { class: 'fails', d: area(trend.failed, top) })));
}
