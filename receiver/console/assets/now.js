// Now: what waits, what runs, what is wrong.
import { get } from './api.js';
import { address, badge, data, el, fill, link, time } from './dom.js';
import { count, delay, moment, seconds, show } from './text.js';
import { pager, table } from './table.js';
import { history } from './history.js';

const PAGE = 100;

// The line that sends a first event through everything, whatever the source's signature.
function testLine(account, source) {
  return `curl -u '${account}' '${location.origin}/api/send-test' -H 'Content-Type: application/json' -d '{"source":"${source}"}'`;
}

export function emptyHint(text, account) {
  const line = el('code', null, testLine(account, 'SOURCE'));
  get('/api/sources?limit=1').then((page) => { if (page.items.length) line.textContent = show(testLine(account, page.items[0].id)); }, () => {});
  return [el('p', null, text), el('pre', { tabindex: '0' }, line), el('p', { class: 'quiet' }, 'It signs a sample as the provider would. curl asks for your password.')];
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

// The totals of a status, as [key, name, value, view] in the order in which a delivery lives.
function totalsOf(status) {
  const t = status.totals ?? {};
  const rows = [['queued', 'Waiting', 'deliveries'], ['inflight', 'In flight', 'deliveries'], ['retry', 'Waiting for retry', 'deliveries'], ['dead', 'Dead letters', 'dead'],
    ['lanes_paused', 'Paused lanes', 'lanes'], ['circuits_open', 'Open circuits', 'lanes']];
  return rows.map(([key, name, view]) => [key, name, t[key], view]);
}

function troubleOf(status) {
  const redis = status.redis ?? {};
  const down = (redis.shards ?? []).filter((s) => s.up === false);
  if (down.length) return `Redis does not answer at ${down.map((s) => show(s.address, 80)).join(', ')}. Lanes that are kept there stand still, and their webhooks are refused with 503 meanwhile.`;
  if (redis.ready === false) return 'Redis does not answer. Webhooks are refused with 503 meanwhile, and senders repeat them.';
  const programs = programsOf(status);
  if (programs.length && !programs.some((p) => String(p.program).endsWith('dispatcher'))) return 'No dispatcher is running, so nothing is sent. What is accepted waits. Start one: hookpace-dispatcher --config FILE';
  return '';
}

export function programsOf(status) {
  return (status.programs ?? []).map((p) => ({ ...p, id: `${p.program} ${p.id}` }));
}

const programColumns = (status) => [
  { title: 'Program', head: true, key: (p) => p.program, draw: (p) => data(p.program) },
  { title: 'Name', key: (p) => p.name, draw: (p) => data(p.name) },
  { title: 'Version', key: (p) => p.version, draw: (p) => data(p.version) },
  { title: 'Started', key: (p) => p.started_at, draw: (p) => time(p.started_at) },
  { title: 'In flight', number: true, key: (p) => count(p.inflight) },
  { title: 'Configuration', key: (p) => [p.digest, status().digest], draw: (p) => [data(p.digest, 12), p.digest && status().digest && p.digest !== status().digest ? badge(' differs from this receiver', 'retry') : null].filter(Boolean) },
];

export function now(route) {
  const cards = el('dl', { class: 'cards' });
  const about = el('p', { class: 'quiet' });
  const chart = history();
  const pages = pager();
  let status = {};
  const lanes = table('Lanes', laneColumns, emptyHint('No lane has anything to do yet. Send a first event:', route.account));
  const programs = table('Running programs', programColumns(() => status), el('p', null, 'Which programs run is not known while Redis is away.'));
  const query = new URLSearchParams({ limit: PAGE, ...(route.query.cursor ? { cursor: route.query.cursor } : {}) });

  async function refresh(signal) {
    const [s, page, past] = await Promise.all([get('/api/status', signal), get(`/api/lanes?${query}`, signal), get('/api/history', signal)]);
    status = s;
    fill(cards, s.totals, () => totalsOf(s).map(([key, name, n, view]) => el('div', { class: key === 'dead' && n > 0 ? 'bad' : null },
      el('dt', null, name), el('dd', null, link(address(view, '', view === 'deliveries' ? { state: key } : {}), count(n))))));
    const risks = s.redis?.durability?.risks ?? [];
    fill(about, [s.version, s.started_at, s.digest, risks], () => [el('span', null, `Version ${show(s.version)}, started `, time(s.started_at), s.digest ? [', configuration ', data(s.digest, 16)] : null, '.'),
      ...risks.map((risk) => el('span', { class: 'risk' }, ` Redis: ${show(risk, 300)}.`))]);
    chart.update(past);
    lanes.update(page.items);
    pages.update(page.next, Boolean(route.query.cursor), (cursor) => address('now', '', { cursor }));
    programs.update(programsOf(s));
    return troubleOf(s);
  }
  return { title: 'Now', refresh, nodes: [about, cards, ...chart.nodes, el('h2', null, 'Lanes'), ...lanes.nodes, pages.node, el('h2', null, 'Programs'), ...programs.nodes] };
}
