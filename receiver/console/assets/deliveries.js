// Deliveries: a list with filters that stay in the address, and acts on all that match.
import { get, post } from './api.js';
import { address, ask, badge, button, data, el, link, setText, time } from './dom.js';
import { emptyHint } from './columns.js';
import { count, missingText } from './text.js';
import { pager, table } from './table.js';

const STATES = ['', 'queued', 'inflight', 'retry', 'dead', 'done', 'dropped'];
const FILTERS = [['state', 'State'], ['destination', 'Destination'], ['source', 'Source'], ['lane', 'Lane'], ['tag', 'Tag'], ['id', 'Event or delivery'], ['since', 'Accepted since'], ['until', 'Accepted until']];
const BULK = ['state', 'destination', 'source', 'since', 'until']; // what POST /api/resend and /api/drop take
const PAGE = 50;

export const STATE_WORDS = { queued: 'waiting', inflight: 'in flight', retry: 'waiting for retry', dead: 'dead', done: 'delivered', dropped: 'dropped' };

export const deliveryColumns = [
  { title: 'Accepted', key: (d) => d.accepted_at, draw: (d) => time(d.accepted_at) },
  { title: 'Delivery', head: true, size: 'name', key: (d) => d.id, draw: (d) => link(address('delivery', d.id), data(d.event, 48)) },
  { title: 'Destination', size: 'name', key: (d) => d.destination, draw: (d) => data(d.destination) },
  { title: 'Source', wide: true, size: 'name', key: (d) => d.source ?? d.account, draw: (d) => data(d.source ?? d.account) },
  { title: 'Tag', wide: true, size: 'name', key: (d) => d.tag, draw: (d) => data(d.tag, 40) },
  { title: 'State', key: (d) => d.state, draw: (d) => badge(STATE_WORDS[d.state] ?? d.state, d.state) },
  { title: 'Attempts', number: true, wide: true, key: (d) => count(d.attempt_count) },
  { title: 'Last result', line: true, size: 'name', key: (d) => [d.last_status, d.last_error], draw: (d) => data(resultOf(d), 60) },
  { title: 'Next attempt', wide: true, key: (d) => d.next_attempt_at, draw: (d) => time(d.next_attempt_at) },
];

function resultOf(d) {
  return [d.last_status || '', d.last_error || ''].filter(Boolean).join(' ');
}

// A moment as people type it, in their own zone: "2026-11-21 14:00", or "14:00" of today. Anything else is left to the receiver.
export function typedMoment(text) {
  const t = text.trim();
  const today = /^(\d{1,2}):(\d\d)(?::(\d\d))?$/.exec(t);
  if (today) {
    const d = new Date();
    d.setHours(Number(today[1]), Number(today[2]), Number(today[3] ?? 0), 0);
    return d.toISOString();
  }
  const m = /^(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d)(?::(\d\d))?)?$/.exec(t);
  return m ? new Date(+m[1], +m[2] - 1, +m[3], +(m[4] ?? 0), +(m[5] ?? 0), +(m[6] ?? 0)).toISOString() : t;
}

function filterForm(query) {
  const inputs = {};
  const fields = FILTERS.map(([name, label]) => {
    const id = `filter-${name}`;
    const isTime = name === 'since' || name === 'until';
    inputs[name] = name === 'state'
      ? el('select', { id, name }, STATES.map((s) => el('option', { value: s }, s ? STATE_WORDS[s] : 'any')))
      : el('input', { id, name, type: 'text', autocomplete: 'off', spellcheck: 'false', placeholder: isTime ? '2026-11-21 14:00' : null });
    inputs[name].value = query[name] ?? '';
    return el('p', { class: 'field' }, el('label', { for: id }, label), inputs[name]);
  });
  const submit = (event) => {
    event.preventDefault();
    const wanted = Object.fromEntries(FILTERS.map(([name]) => [name, inputs[name].value.trim()]));
    for (const name of ['since', 'until']) if (wanted[name]) wanted[name] = typedMoment(wanted[name]);
    location.hash = address('deliveries', '', wanted);
  };
  inputs.state.addEventListener('change', submit);
  return el('form', { class: 'filters', role: 'search', 'aria-label': 'Filter', onsubmit: submit }, fields,
    el('p', { class: 'buttons' }, el('button', { class: 'main' }, 'Filter'), link(address('deliveries'), 'Clear')));
}

// Starts an act on everything that fits FILTER, after the person has agreed, and shows its progress.
export async function actOnAll(act, filter) {
  const words = Object.entries(filter).map(([k, v]) => `${k} ${v}`).join(', ') || 'no filter: every delivery';
  let job = null;
  const done = await ask({
    title: act === 'resend' ? 'Resend all that match?' : 'Drop all that match?',
    text: `${act === 'resend' ? 'Each matching delivery is sent again' : 'Each matching delivery is removed and is never sent'} (${words}). Other deliveries of the same events stay as they are.`,
    yes: act === 'resend' ? 'Resend all' : 'Drop all',
    isDanger: act === 'drop',
    fields: act === 'drop' ? [{ name: 'word', label: 'Type "drop" to confirm' }] : [],
    act: async (values) => {
      if (act === 'drop' && values.word.trim() !== 'drop') throw new Error('Type the word drop.');
      job = (await post(`/api/${act}`, filter)).job;
    },
  });
  if (done) location.hash = address('job', job);
}

function bulk(query) {
  const tooNarrow = ['lane', 'tag', 'id'].filter((name) => query[name]);
  const filter = Object.fromEntries(BULK.filter((name) => query[name]).map((name) => [name, query[name]]));
  if (!filter.state && !filter.destination && !filter.source) return el('p', { class: 'quiet' }, 'Choose a state, a destination or a source to resend or drop all that match.');
  if (tooNarrow.length) return el('p', { class: 'quiet' }, `Acts on all that match know state, destination, source and time. Clear ${tooNarrow.join(' and ')} to use them.`);
  const mayResend = !['queued', 'inflight'].includes(filter.state); // these are on their way
  const mayDrop = !['inflight', 'done', 'dropped'].includes(filter.state);
  return el('p', { class: 'buttons' }, mayResend && button('Resend all that match…', () => actOnAll('resend', { state: 'dead', ...filter })), mayDrop && button('Drop all that match…', () => actOnAll('drop', filter), { class: 'danger' }));
}

export function deliveries(route) {
  const { cursor, ...query } = route.query;
  const names = FILTERS.map(([name]) => name).filter((name) => query[name]);
  const wanted = Object.fromEntries(names.map((name) => [name, query[name]]));
  const search = new URLSearchParams({ ...wanted, limit: PAGE, ...(cursor ? { cursor } : {}) });
  const none = names.length ? [el('p', null, 'Nothing matches this filter. Deliveries that arrived are kept for a while and then expire.')]
    : emptyHint('Nothing was accepted yet, or all of it has expired.', route);
  const list = table('Deliveries', deliveryColumns, none);
  const pages = pager();
  const more = el('p', { class: 'quiet' });
  async function refresh(signal) {
    const page = await get(`/api/deliveries?${search}`, signal);
    list.update(page.items);
    setText(more, page.next && page.items.length < PAGE ? 'The search is not at its end: the next page may have more.' : '');
    pages.update(page.next, Boolean(cursor), (c) => address('deliveries', '', { ...wanted, cursor: c }));
    return missingText(page);
  }
  return { title: 'Deliveries', refresh, nodes: [filterForm(query), route.mayAct && bulk(wanted), ...list.nodes, more, pages.node].filter(Boolean) };
}
