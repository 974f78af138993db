// Sources: what came from each, what was refused and why, and a test event.
import { getIfThere, post } from './api.js';
import { address, ask, button, data, el, link, setText, time } from './dom.js';
import { count, delay } from './text.js';
import { pager, table } from './table.js';

const GOOD = new Set(['ok', 'accepted', 'duplicate', 'challenge', 'probe']);

// Results by name: {ok: 5, invalid_signature: 1}.
const resultsOf = (s) => s.counts ?? s.results ?? s.events ?? {};

function refusals(s) {
  const parts = Object.entries(resultsOf(s)).filter(([name, n]) => !GOOD.has(name) && n > 0).map(([name, n]) => `${name} ${count(n)}`);
  return parts.length ? data(parts.join(', '), 300) : 'none';
}

async function sendTest(source) {
  let answer = null;
  const done = await ask({
    title: `Send a test event to ${source}`, text: 'The receiver signs a sample as the provider would and sends it to itself. The event is real: its destinations get it.', yes: 'Send',
    fields: [{ name: 'body', label: 'Body (empty: the receiver makes one)', lines: 6 }],
    act: async ({ body }) => { answer = await post('/api/send-test', { source, ...(body.trim() ? { body } : {}) }); },
  });
  const id = answer?.event ?? answer?.echo ?? answer?.id;
  if (done) location.hash = id ? address('event', id) : address('deliveries', '', { source });
}

export function sources(route) {
  const { cursor } = route.query;
  const note = el('p', { class: 'quiet' });
  const pages = pager();
  const list = table('Sources', [
    { title: 'Source', head: true, key: (s) => s.id, draw: (s) => link(address('deliveries', '', { source: s.id }), data(s.id)) },
    { title: 'Signature', key: (s) => s.scheme ?? s.verify, draw: (s) => data(s.scheme ?? s.verify) },
    { title: 'Goes to', wide: true, key: (s) => s.to, draw: (s) => data((s.to ?? []).join(', '), 120) },
    { title: 'Accepted', number: true, key: (s) => count(resultsOf(s).ok ?? resultsOf(s).accepted ?? 0) },
    { title: 'Duplicates', number: true, key: (s) => count(resultsOf(s).duplicate ?? 0) },
    { title: 'Refused', key: (s) => resultsOf(s), draw: refusals },
    { title: 'URL for the provider', key: (s) => s.url ?? s.path ?? s.id, draw: (s) => el('code', null, data(s.url ?? s.path ?? `/in/${s.id}`, 300)) },
    ...(route.mayAct ? [{ title: '', key: (s) => s.id, draw: (s) => button('Send test…', () => sendTest(s.id), { 'aria-label': `Send a test event to ${s.id}` }) }] : []),
  ], el('p', null, 'The configuration has no sources. Add one below "sources" and send SIGHUP to both programs; docs/configuration.md has the keys.'));
  async function refresh(signal) {
    const page = await getIfThere(`/api/sources?${new URLSearchParams({ limit: 100, ...(cursor ? { cursor } : {}) })}`, signal);
    setText(note, page ? 'A URL that begins with /in/ is at the address of receiver.listen, or of the proxy in front of it.' : 'This receiver does not list sources yet.');
    list.update(page?.items ?? []);
    pages.update(page?.next, Boolean(cursor), (c) => address('sources', '', { cursor: c }));
  }
  return { title: 'Sources', every: 5000, refresh, nodes: [note, ...list.nodes, pages.node] };
}
