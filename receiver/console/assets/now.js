// Now: what waits, what runs, what is wrong.
import { get } from './api.js';
import { address, badge, data, el, fill, link, time } from './dom.js';
import { count, show } from './text.js';
import { pager, table } from './table.js';
import { history, trends } from './history.js';
import { emptyHint, laneColumns } from './columns.js';

const PAGE = 50;

// The totals of a status in the order in which a delivery lives: their key, name, and the view that has them, with its query.
const TOTALS = [
  ['queued', 'Waiting', 'deliveries', { state: 'queued' }], ['inflight', 'In flight', 'deliveries', { state: 'inflight' }],
  ['retry', 'Waiting for retry', 'deliveries', { state: 'retry' }], ['dead', 'Dead letters', 'dead', {}],
  ['lanes_paused', 'Paused lanes', 'lanes', { state: 'paused' }], ['circuits_open', 'Open circuits', 'lanes', { state: 'circuit' }],
];
const KINDS = { retry: 'late', dead: 'bad', lanes_paused: 'late', circuits_open: 'bad' };

function cardsOf(totals) {
  return TOTALS.map(([key, name, view, query]) => {
    const n = totals?.[key];
    return el('div', { class: n ? KINDS[key] ?? null : 'zero' }, el('dt', null, name), el('dd', null, link(address(view, '', query), count(n))));
  });
}

function troubleOf(status) {
  const redis = status.redis ?? {};
  const down = (redis.shards ?? []).filter((s) => s.up === false);
  if (down.length) return `Redis does not answer at ${down.map((s) => show(s.address, 80)).join(', ')}. Lanes that are kept there stand still, and their webhooks are refused with 503 meanwhile.`;
  const away = redis.away ?? [];
  if (redis.ready === false && away.length && away.length < redis.partitions) return `Redis does not answer for partition ${away.map(count).join(', ')}. Lanes that are kept there stand still, and their webhooks are refused with 503 meanwhile.`;
  const held = redis.held ?? [];
  if (held.length) return `Held by an operator: partition ${held.map(count).join(', ')}. Webhooks of its lanes are refused with 503, and nothing of them is sent, until somebody runs: hookpace partition release N`;
  if (redis.ready === false) return 'Redis does not answer. Webhooks are refused with 503 meanwhile, and senders repeat them.';
  const programs = programsOf(status);
  if (programs.length && !programs.some((p) => String(p.program).endsWith('dispatcher'))) return 'No dispatcher is running, so nothing is sent. What is accepted waits. Start one: hookpace-dispatcher --config FILE';
  return '';
}

function programsOf(status) {
  return (status.programs ?? []).map((p) => ({ ...p, id: `${p.program} ${p.id}` }));
}

const programColumns = (status) => [
  { title: 'Program', head: true, key: (p) => p.program, draw: (p) => data(p.program) },
  { title: 'Name', size: 'name', key: (p) => p.name, draw: (p) => data(p.name) },
  { title: 'Version', key: (p) => p.version, draw: (p) => data(p.version) },
  { title: 'Started', key: (p) => p.started_at, draw: (p) => time(p.started_at) },
  { title: 'In flight', number: true, key: (p) => count(p.inflight) },
  { title: 'Configuration', line: true, key: (p) => [p.digest, status().digest], draw: (p) => [data(p.digest, 12), p.digest && status().digest && p.digest !== status().digest ? [' ', badge('differs from this receiver', 'retry')] : null].flat().filter(Boolean) },
];

const shardColumns = [
  { title: 'Address', head: true, size: 'name', key: (s) => s.address, draw: (s) => data(s.address) },
  { title: 'State', key: (s) => s.up, draw: (s) => (s.up ? badge('answers', 'up') : badge('away', 'dead')) },
  { title: 'Version', key: (s) => s.version, draw: (s) => data(s.version) },
];

function redisFacts(redis) {
  const { durability: d = {} } = redis;
  const words = [`Mode ${show(redis.mode)}`, `${count(redis.partitions)} ${redis.partitions === 1 ? 'partition' : 'partitions'}`,
    d.appendonly && `appendonly ${show(d.appendonly)}`, d.appendfsync && `appendfsync ${show(d.appendfsync)}`, d.maxmemory_policy && `maxmemory-policy ${show(d.maxmemory_policy)}`];
  return [el('p', { class: 'quiet' }, `${words.filter(Boolean).join(', ')}.`), ...(d.risks ?? []).map((risk) => el('p', { class: 'risk' }, `${show(risk, 300)}.`))];
}

export function now(route) {
  const cards = el('dl', { class: 'cards' });
  const about = el('p', { class: 'quiet tools' });
  const redis = el('div');
  const chart = history();
  const curves = trends();
  const pages = pager();
  let status = {};
  const lanes = table('Lanes', laneColumns(curves), emptyHint('No lane has anything to do yet.', route));
  const programs = table('Running programs', programColumns(() => status), el('p', null, 'Which programs run is not known while Redis is away.'));
  const shards = table('Redis servers', shardColumns, null);
  const query = new URLSearchParams({ limit: PAGE, ...(route.query.cursor ? { cursor: route.query.cursor } : {}) });

  function showStatus(s) {
    status = s;
    fill(cards, s.totals, () => cardsOf(s.totals));
    fill(about, [s.version, s.started_at], () => [el('span', null, `Version ${show(s.version)}, started `, time(s.started_at))]);
    fill(redis, [s.redis?.mode, s.redis?.partitions, s.redis?.durability], () => redisFacts(s.redis ?? {}));
    programs.update(programsOf(s));
    shards.update(s.redis?.shards ?? []);
  }

  // The status comes even while Redis is away, and says so.
  async function refresh(signal) {
    const rest = Promise.allSettled([get(`/api/lanes?${query}`, signal), get('/api/history', signal), curves.refresh(signal)]);
    showStatus(await get('/api/status', signal));
    const [page, past, trend] = await rest;
    if (past.status === 'fulfilled') chart.update(past.value);
    if (page.status === 'fulfilled') {
      lanes.update(page.value.items);
      pages.update(page.value.next, Boolean(route.query.cursor), (cursor) => address('now', '', { cursor }));
    }
    const trouble = troubleOf(status);
    const failed = [page, past, trend].find((answer) => answer.status === 'rejected');
    if (failed && !trouble) throw failed.reason;
    return trouble;
  }
  return { title: 'Now', tools: about, refresh, nodes: [cards, ...chart.nodes, el('h2', null, 'Lanes'), ...lanes.nodes, pages.node, el('h2', null, 'Programs'), ...programs.nodes, el('h2', null, 'Redis'), redis, ...shards.nodes] };
}
