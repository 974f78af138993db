// One delivery with its timeline, or one event with its deliveries; both with headers and body.
import { get, getBytes, post } from './api.js';
import { address, ask, badge, button, code, data, el, fill, link, say, time } from './dom.js';
import { STATE_WORDS, deliveryColumns } from './deliveries.js';
import { count, indented, millis, missingText, moment, part, showLines } from './text.js';
import { table } from './table.js';

const BODY_MAX = 256 * 1024; // bytes of a body that are shown

function facts(rows) {
  return el('dl', { class: 'facts' }, rows.filter(([, value]) => value !== null && value !== undefined && value !== '')
    .map(([name, value]) => el('div', null, el('dt', null, name), el('dd', null, value))));
}

function headerList(headers) {
  if (!headers?.length) return el('p', { class: 'quiet' }, 'No headers were kept.');
  return el('dl', { class: 'headers' }, headers.map(([name, value]) => el('div', null, el('dt', null, data(name, 200)), el('dd', null, data(value, 2000)))));
}

function attempt(a) {
  const isGood = a.status >= 200 && a.status < 300;
  return el('li', { class: isGood ? 'good' : 'bad' },
    el('p', null, el('strong', null, `Attempt ${count(a.attempt)}`), ' ', time(a.at), ' ', el('span', { class: 'quiet' }, utc(a.at))),
    el('p', null, badge(a.status ? `status ${a.status}` : 'no answer', isGood ? 'done' : 'dead'), ` after ${millis(a.duration_ms)}`, a.error ? [' – ', data(a.error, 400)] : null, a.detail ? [' – ', data(a.detail, 400)] : null),
    a.next_attempt_at || a.next_at ? el('p', { class: 'quiet' }, 'Next attempt ', time(a.next_attempt_at ?? a.next_at)) : null,
    a.response ? el('details', null, el('summary', null, 'Answer'), el('pre', { tabindex: '0' }, el('bdi', null, showLines(a.response.slice(0, 8192))))) : null);
}

function utc(value) {
  const date = moment(value);
  return date ? `(${date.toISOString().replace('T', ' ').replace('Z', '')} UTC)` : '';
}

function timeline(d) {
  const list = [...(d.attempts ?? [])].sort((a, b) => (a.attempt ?? 0) - (b.attempt ?? 0));
  const end = d.next_attempt_at ? el('li', { class: 'next' }, el('p', null, 'Next attempt ', time(d.next_attempt_at)))
    : d.state === 'queued' ? el('li', { class: 'next' }, el('p', null, 'Waits for its turn on the lane.'))
      : d.state === 'inflight' ? el('li', { class: 'next' }, el('p', null, 'An attempt is under way.')) : null;
  return el('ol', { class: 'timeline' }, el('li', null, el('p', null, el('strong', null, 'Accepted'), ' ', time(d.accepted_at), ' ', el('span', { class: 'quiet' }, utc(d.accepted_at)))), list.map(attempt), end);
}

// The body, asked for only when somebody wants it.
function bodyPart(event) {
  const place = el('div');
  const open = button('Show the body', async () => {
    open.disabled = true;
    try {
      fillBody(place, await getBytes(`/api/events/${part(event)}/body`, BODY_MAX), event);
      open.remove();
    } catch (e) {
      place.replaceChildren(el('p', { role: 'alert', class: 'problem' }, e.kind === 'refused' ? `There is no body to show: ${e.message}.` : e.message));
    }
    open.disabled = false;
  });
  return [el('h2', null, 'Body'), el('p', null, open), place];
}

function fillBody(place, body, event) {
  const text = new TextDecoder().decode(body.bytes);
  const pretty = body.isCut ? null : indented(text);
  const shown = el('bdi');
  const isText = !text.includes('\ufffd');
  let isPretty = pretty !== null;
  const draw = () => { shown.textContent = showLines(isPretty ? pretty : text); toggle.textContent = isPretty ? 'As it was sent' : 'Indented'; };
  const toggle = button('', () => { isPretty = !isPretty; draw(); });
  const about = [`${count(body.bytes.length)} bytes`, body.type, body.isCut ? `cut after ${BODY_MAX / 1024} KiB` : '', isText ? '' : 'not all of it is text in UTF-8'].filter(Boolean);
  draw();
  place.replaceChildren(el('p', { class: 'quiet' }, about.join(', ')),
    el('p', { class: 'buttons' }, pretty !== null && toggle, button('Save as a file', () => save(event))),
    el('pre', { class: 'body', tabindex: '0', 'aria-label': 'Body' }, shown));
}

async function save(event) {
  try {
    const body = await getBytes(`/api/events/${part(event)}/body`, Infinity);
    const url = URL.createObjectURL(new Blob([body.bytes], { type: 'application/octet-stream' }));
    el('a', { href: url, download: 'body' }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60000);
  } catch (e) {
    say(e.message);
  }
}

function acts(route, id) {
  if (!route.mayAct) return null;
  const path = `/api/deliveries/${part(id)}`;
  const resend = async () => {
    try {
      await post(`${path}/resend`, {});
      say('It is queued again.');
    } catch (e) {
      say(`Not resent: ${e.message}`);
    }
    route.again();
  };
  const drop = async () => {
    const done = await ask({ title: 'Drop this delivery?', text: 'It is removed and is never sent. Other deliveries of the same event stay as they are.', yes: 'Drop', isDanger: true, act: () => post(`${path}/drop`, {}) });
    if (done) say('It was dropped.');
    route.again();
  };
  return el('p', { class: 'buttons' }, button('Resend', resend), button('Drop…', drop, { class: 'danger' }));
}

export function delivery(route) {
  const about = el('div');
  const times = el('div');
  const headers = el('div');
  const event = route.arg.replace(/:[^:]*$/, '');
  async function refresh(signal) {
    const d = await get(`/api/deliveries/${part(route.arg)}`, signal);
    fill(about, [d.state, d.attempt_count, d.requeues, d.next_attempt_at, d.ended_at], () => facts([
      ['State', badge(STATE_WORDS[d.state] ?? d.state, d.state)], ['Event', link(address('event', d.event), data(d.event, 200))],
      ['Destination', link(address('deliveries', '', { destination: d.destination }), data(d.destination))],
      ['Source', d.source && link(address('deliveries', '', { source: d.source }), data(d.source))], ['Account', d.account && data(d.account)],
      ['Lane', link(address('lanes', d.lane), data(d.lane))], ['Tag', d.tag && link(address('deliveries', '', { tag: d.tag }), data(d.tag, 400))], ['Kind', d.kind], ['Origin', d.origin && data(d.origin)],
      ['Accepted', time(d.accepted_at)], ['Next attempt', d.next_attempt_at && time(d.next_attempt_at)], ['Ended', d.ended_at && time(d.ended_at)],
      ['Attempts', count(d.attempt_count)], ['Waited for the delay', `${count(d.requeues)} times`], ['Delay', `${count(d.delay_ms)} ms`]]));
    fill(times, [d.attempts, d.state, d.next_attempt_at], () => timeline(d));
    fill(headers, d.headers, () => headerList(d.headers));
  }
  return { title: 'Delivery', refresh, nodes: [el('p', { class: 'lead' }, code(route.arg)), acts(route, route.arg), about, el('h2', null, 'Timeline'), times, el('h2', null, 'Headers that travel with it'), headers, ...bodyPart(event)].filter(Boolean) };
}

export function event(route) {
  const about = el('div');
  const headers = el('div');
  const list = table('Deliveries of this event', deliveryColumns, el('p', null, 'This event goes nowhere: its source has an empty "to".'));
  async function refresh(signal) {
    const e = await get(`/api/events/${part(route.arg)}`, signal);
    fill(about, [e.completed_at, e.fetched, e.has_body], () => facts([['Kind', e.kind], ['Source', e.source && data(e.source)], ['Account', e.account && data(e.account)], ['Tag', e.tag && data(e.tag, 400)], ['Path', e.path && data(e.path, 400)],
      ['Accepted', time(e.accepted_at)], ['Completed', e.completed_at && time(e.completed_at)], ['Content type', e.content_type && data(e.content_type)], ['Content encoding', e.content_encoding && data(e.content_encoding)], ['Digest', e.digest && data(e.digest)]]));
    fill(headers, e.headers, () => headerList(e.headers));
    list.update(e.deliveries ?? []);
    return missingText(e);
  }
  return { title: 'Event', refresh, nodes: [el('p', { class: 'lead' }, code(route.arg)), about, el('h2', null, 'Deliveries'), ...list.nodes, el('h2', null, 'Headers that travel with it'), headers, ...bodyPart(route.arg)] };
}
