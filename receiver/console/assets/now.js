// Now: what waits, what runs, what is wrong.
import { get, getIfThere } from './api.js';
import { address, badge, data, el, fill, link, setText, time } from './dom.js';
import { count, delay, moment, seconds, show } from './text.js';
import { pager, table } from './table.js';
import { history } from './history.js';

const PAGE = 100;

// The line that sends a first event through everything, whatever the source's signature.
export function trySource(account, source) {
  return `curl -u ${account} ${location.origin}/api/send-test -H 'Content-Type: application/json' -d '{"source":"${source ?? 'SOURCE'}"}'`;
}

export function emptyHint(text, account, source) {
  return [el('p', null, text), el('pre', { tabindex: '0' }, el('code', null, trySource(account, source))), el('p', { class: 'quiet' }, 'It signs a sample as the provider would. curl asks for your password.')];
}

export const laneColumns = [
  { title: 'Lane', head: true, key: (l) => l.id, draw: (l) => link(address('lanes', l.id), data(l.id)) },
  { title: 'Waiting', number: true, key: (l) => count(l.depth), draw: (l) => states(l, 'queued', l.depth) },
  { title: 'In flight', number: true, key: (l) => count(l.inflight), draw: (l) => states(l, 'inflight', l.inflight) },
  { title: 'Waiting for retry', number: true, key: (l) => count(l.retry), draw: (l) => states(l, 'retry', l.retry) },
  { title: 'Dead', number: true, key: (l) => count(l.dead), draw: (l) => states(l, 'dead', l.dead) },
  { title: 'Oldest', number: true, key: (l) => seconds(l.oldest_s || null) },
  { title: 'Delay', number: true, wide: true, key: (l) => delay(l.delay_ms) },
  { title: 'Sent in the last minute', number: true, wide: true, key: (l) => count(l.sent_1m) },
  { title: 'State', key: (l) => [l.paused, l.circuits], draw: (l) => laneState(l) },
];

function states(lane, state, n) {
  return n ? link(address('deliveries', '', { lane: lane.id, state }), count(n)) : count(n);
}

function laneState(lane) {
  const parts = [];
  if (lane.paused) parts.push(badge('paused'));
  for (const c of (lane.circuits ?? []).slice(0, 5)) {
    const until = moment(c.until);
    parts.push(el('span', { class: 'circuit' }, badge(c.state === 'half_open' ? 'probing' : 'circuit open', 'dead'), ' ', data(c.origin), until ? [' until ', time(c.until)] : null));
  }
  if ((lane.circuits ?? []).length > 5) parts.push(` and ${lane.circuits.length - 5} more`);
  return parts.length ? el('span', null, parts) : 'runs';
}

// The totals of a status, as [name, value, link] in the order in which a delivery lives.
function totalsOf(status) {
  const t = status.totals ?? {};
  const rows = [['queued', 'Waiting'], ['inflight', 'In flight'], ['retry', 'Waiting for retry'], ['dead', 'Dead letters'], ['done', 'Delivered']];
  return rows.map(([key, name]) => [key, name, t[key]]);
}

function troubleOf(status) {
  const redis = status.redis ?? {};
  const shards = Array.isArray(redis.shards) ? redis.shards.filter((s) => s.ready === false || s.up === false) : [];
  if (shards.length) return `Redis does not answer at ${shards.map((s) => show(s.address ?? s.id, 80)).join(', ')}. Lanes kept there stand still, and their webhooks are refused with 503.`;
  if (redis.ready === false) return 'Redis does not answer. Webhooks are refused with 503 meanwhile, and senders repeat them.';
  const programs = programsOf(status);
  if (programs.length && !programs.some((p) => p.program === 'dispatcher')) return 'No dispatcher is running, so nothing is sent. What is accepted waits. Start one: hookpace-dispatcher --config FILE';
  return '';
}

export function programsOf(status) {
  const list = status.programs ?? [...(status.receivers ?? []).map((p) => ({ program: 'receiver', ...p })), ...(status.dispatchers ?? []).map((p) => ({ program: 'dispatcher', ...p }))];
  return list.map((p) => ({ ...p, program: String(p.program ?? p.kind ?? '').replace('hookpace-', ''), id: `${p.program ?? p.kind}/${p.id ?? p.name}` }));
}

const programColumns = (status) => [
  { title: 'Program', head: true, key: (p) => p.program },
  { title: 'Name', key: (p) => p.name, draw: (p) => data(p.name) },
  { title: 'Version', key: (p) => p.version, draw: (p) => data(p.version) },
  { title: 'Started', key: (p) => p.started_at ?? p.started, draw: (p) => time(p.started_at ?? p.started) },
  { title: 'In flight', number: true, key: (p) => count(p.inflight ?? p.in_flight) },
  { title: 'Configuration', key: (p) => [p.digest, status().digest], draw: (p) => [data(p.digest, 12), p.digest && status().digest && p.digest !== status().digest ? badge(' differs from this receiver', 'retry') : null].filter(Boolean) },
];

export function now(route) {
  const cards = el('dl', { class: 'cards' });
  const about = el('p', { class: 'quiet' });
  const lanesNote = el('p', { class: 'quiet' });
  const chart = history();
  const pages = pager();
  let status = {};
  const lanes = table('Lanes', laneColumns, emptyHint('No lane has anything to do yet. Send a first event:', route.account));
  const programs = table('Running programs', programColumns(() => status), el('p', null, 'This receiver does not list the running programs.'));
  const query = new URLSearchParams({ limit: PAGE, ...(route.query.cursor ? { cursor: route.query.cursor } : {}) });

  async function refresh(signal) {
    const [s, page, past] = await Promise.all([get('/api/status', signal), getIfThere(`/api/lanes?${query}`, signal), getIfThere('/api/history', signal)]);
    status = { ...s, digest: s.digest ?? s.config_digest ?? s.config?.digest };
    fill(cards, totalsOf(s), () => totalsOf(s).map(([key, name, n]) => el('div', { class: key === 'dead' && n > 0 ? 'bad' : null },
      el('dt', null, name), el('dd', null, link(address(key === 'dead' ? 'dead' : 'deliveries', '', key === 'dead' ? {} : { state: key }), count(n))))));
    fill(about, [s.version, s.started_at, status.digest], () => el('span', null, `Receiver ${show(s.version)}, started `, time(s.started_at), status.digest ? [', configuration ', data(status.digest, 12)] : null));
    chart.update(past);
    setText(lanesNote, page ? '' : 'This receiver does not list lanes yet.');
    lanes.update(page?.items ?? []);
    pages.update(page?.next, Boolean(route.query.cursor), (cursor) => address('now', '', { cursor }));
    programs.update(programsOf(s));
    return troubleOf(s);
  }
  return { title: 'Now', refresh, nodes: [about, cards, ...chart.nodes, el('h2', null, 'Lanes'), lanesNote, ...lanes.nodes, pages.node, el('h2', null, 'Programs'), ...programs.nodes] };
}
