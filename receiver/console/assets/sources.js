// Sources: what came from each, what was refused and why, and a test event.
import { get, post } from './api.js';
import { address, ask, button, data, el, figureOf, link } from './dom.js';
import { count, missingText } from './text.js';
import { pager, table } from './table.js';

function refusals(s) {
  if (!s.last_hour) return data('');
  const parts = Object.entries(s.last_hour.refused).filter(([, n]) => n > 0).map(([name, n]) => `${name} ${count(n)}`);
  return parts.length ? data(parts.join(', '), 300) : el('span', { class: 'zero' }, 'none');
}

// Where webhooks go: the ingest listener, at the name by which this page was reached if it listens on every address.
function ingestOf(status) {
  const { listen, tls } = status.ingest ?? {};
  if (!listen) return '';
  const [, host, port] = /^(.*):(\d+)$/.exec(listen) ?? [null, listen, ''];
  const name = ['0.0.0.0', '[::]', ''].includes(host) ? location.hostname : host;
  return `${tls ? 'https' : 'http'}://${name}:${port}`;
}

async function sendTest(source) {
  let answer = null;
  const done = await ask({
    title: `Send a test event to ${source}`, text: 'The receiver signs a sample as the provider would and sends it to itself. The event is real: its destinations get it.', yes: 'Send',
    fields: [{ name: 'body', label: 'Body (empty: the receiver makes one)', lines: 6 }],
    act: async ({ body }) => {
      answer = await post('/api/send-test', { source, ...(body.trim() ? { body } : {}) });
      if (answer.status >= 400) throw new Error(`The receiver refused it with status ${answer.status}: ${answer.answer?.message ?? answer.answer}.`);
    },
  });
  if (done) location.hash = answer.event ? address('event', answer.event) : address('deliveries', '', { source });
}

export function sources(route) {
  const { cursor } = route.query;
  const note = el('p', { class: 'quiet' }, 'Counts are of the last hour. The URL has the address of the ingest listener; where a proxy stands in front of it, the provider needs the proxy\'s address.');
  let ingest = '';
  const pages = pager();
  const list = table('Sources', [
    { title: 'Source', head: true, size: 'name', key: (s) => s.id, draw: (s) => link(address('deliveries', '', { source: s.id }), data(s.id)) },
    { title: 'Signature', key: (s) => s.scheme, draw: (s) => data(s.scheme) },
    { title: 'Goes to', wide: true, size: 'name', key: (s) => s.to, draw: (s) => data(s.to.join(', '), 120) },
    { title: 'Accepted', number: true, key: (s) => s.last_hour?.accepted, draw: (s) => figureOf(s.last_hour?.accepted) },
    { title: 'Duplicates', number: true, key: (s) => s.last_hour?.duplicate, draw: (s) => figureOf(s.last_hour?.duplicate) },
    { title: 'Refused', line: true, key: (s) => s.last_hour?.refused, draw: refusals },
    { title: 'URL for the provider', line: true, key: (s) => [ingest, s.path], draw: (s) => el('code', null, data(ingest + s.path, 300)) },
    ...(route.mayAct ? [{ title: '', line: true, size: 'act', key: (s) => s.id, draw: (s) => button('Send test…', () => sendTest(s.id), { 'aria-label': `Send a test event to ${s.id}` }) }] : []),
  ], el('p', null, 'The configuration has no sources. Add one below "sources" and send SIGHUP to both programs; docs/reference/configuration.md has the keys.'));
  async function refresh(signal) {
    const [page, status] = await Promise.all([get(`/api/sources?${new URLSearchParams({ limit: 100, ...(cursor ? { cursor } : {}) })}`, signal), get('/api/status', signal)]);
    ingest = ingestOf(status);
    list.update(page.items);
    pages.update(page.next, Boolean(cursor), (c) => address('sources', '', { cursor: c }));
    return missingText(page);
  }
  return { title: 'Sources', every: 5000, refresh, nodes: [note, ...list.nodes, pages.node] };
}
