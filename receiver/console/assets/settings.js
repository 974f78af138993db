// What an account sets for its own webhooks: delay, TLS verification, payload, compression and signature. It makes a signing secret,
// which is shown once, and sends a test webhook, which goes the way of all webhooks.
import { ask, badge, button, data, el, fill, say, time } from './dom.js';
import { count, delay } from './text.js';
import { table } from './table.js';
import { call, moment } from './tasks.js';

const SETTINGS = 'appendix/webhook_settings';
const SCHEMES = ['standard-webhooks', 'semscraper', 'serphouse', 'github', 'stripe', 'slack', 'shopify', 'hmac'];
const CONFIGURED = 'as in the configuration';
const ERRORS = 100; // so many failed attempts are looked through for that of the test webhook

// Values that are chosen: [value, how it reads].
const CHOICES = {
  verify_tls: [[true, 'certificates are checked'], [false, 'certificates are not checked']],
  payload: [['envelope', 'envelope: the answer of task_get'], ['result', 'result: the result alone']],
  gzip: [['keep', 'keep: as the result came'], ['always', 'always'], ['never', 'never']],
};

const ROWS = [
  { id: 'webhook_delay', name: 'Webhook delay', text: 'The pause between two webhooks of your account.' },
  { id: 'verify_tls', name: 'TLS verification', text: 'Without it, anybody on the way can read your webhooks and answer in your place.' },
  { id: 'payload', name: 'Payload', text: 'What the body of a postback holds.' },
  { id: 'gzip', name: 'Compression', text: 'Whether the body of a postback is compressed with gzip. A signature is over the bytes that are sent.' },
  { id: 'sign', name: 'Signature', text: 'The scheme by which your webhooks are signed with the secret that you made.' },
];

const wordOf = (key, value) => CHOICES[key].find(([v]) => v === value)?.[1] ?? String(value);

function draw(row) {
  const { id, value } = row;
  if (id === 'webhook_delay') return el('span', null, delay(value));
  if (id === 'verify_tls' && !value) return badge(wordOf(id, value), 'retry');
  if (id !== 'sign') return el('span', null, wordOf(id, value));
  if (!value) return el('span', { class: 'zero' }, 'not signed');
  return el('span', null, data(value.scheme), ', secret ', data(value.secret_id), value.made_at && [', made ', time(moment(value.made_at))]);
}

// The field of the window that changes ROW, and the value that its text stands for.
function fieldOf(row) {
  if (row.id === 'webhook_delay') {
    return {
      field: { name: 'value', label: 'Delay in ms', value: row.value, inputmode: 'numeric', help: '0 (none), 50, or a multiple of 100 up to 1000. Empty: as in the configuration.' },
      read: (text) => {
        if (text.trim() && !/^\d+$/.test(text.trim())) throw new Error(`"${text}" is not a number.`);
        return text.trim() ? Number(text) : null;
      },
    };
  }
  const words = row.id === 'sign' ? SCHEMES : CHOICES[row.id].map(([, word]) => word);
  const now = !row.isSet ? CONFIGURED : row.id === 'sign' ? row.value.scheme : wordOf(row.id, row.value);
  return {
    field: { name: 'value', label: row.name, options: [...words, CONFIGURED], value: now },
    read: (word) => (word === CONFIGURED ? null : row.id === 'sign' ? { scheme: word } : CHOICES[row.id].find(([, w]) => w === word)[0]),
  };
}

async function change(row, again) {
  const { field, read } = fieldOf(row);
  const done = await ask({
    title: row.name, text: `${row.text} It holds for tasks that you set from now on.`, yes: 'Save', fields: [field],
    act: ({ value }) => call(SETTINGS, [{ [row.id]: read(value) }]),
  });
  if (done) say(`${row.name} is saved.`);
  again();
}

// Shows a new secret until the window is closed. The page keeps no copy of it.
function showOnce(made) {
  return new Promise((resolve) => {
    const input = el('input', { id: 'new-secret', type: 'text', readonly: true, autocomplete: 'off', spellcheck: 'false' });
    input.value = made.secret;
    const copy = button('Copy', async () => {
      input.select();
      await navigator.clipboard?.writeText(input.value).then(() => say('The secret is copied.'), () => say('The browser did not copy it.'));
    });
    const heading = el('h2', { id: 'new-secret-title' }, 'Your new signing secret');
    const dialog = el('dialog', { 'aria-labelledby': heading.id, oncancel: (event) => event.preventDefault(), onclose: () => { input.value = ''; dialog.remove(); resolve(); } }, heading,
      el('p', null, `Copy it now: nobody can show it again. Its id is ${made.secret_id}, its scheme ${made.scheme}.`),
      el('p', { class: 'field' }, el('label', { for: input.id }, 'Secret'), input),
      el('p', { class: 'buttons' }, navigator.clipboard ? copy : null, button('I have it', () => dialog.close(), { class: 'main' })));
    document.body.append(dialog);
    dialog.showModal();
    input.focus();
    input.select();
  });
}

async function newSecret(sign, again) {
  let made = null;
  await ask({
    title: sign ? 'Make a new signing secret?' : 'Sign your webhooks?',
    text: 'Tasks that you set from now on are signed with the new secret. Older tasks keep their secret, so your application has to take both for a while.',
    yes: 'Make the secret', fields: [{ name: 'scheme', label: 'Scheme', options: SCHEMES, value: sign?.scheme ?? SCHEMES[0] }],
    act: async ({ scheme }) => { made = (await call('appendix/webhook_secret', [{ scheme }])).result[0]; },
  });
  again();
  if (made) await showOnce(made);
}

// A test webhook is one of a task that is complete at once: it waits in the account's lane, and it is signed and judged as all are.
async function sendTest() {
  let sent = null;
  await ask({
    title: 'Send a test webhook', yes: 'Send',
    text: 'A task with a small result is set for you, and its webhook goes the way of all your webhooks: with your delay, payload and signature.',
    fields: [{ name: 'url', label: 'URL', inputmode: 'url', help: '$id and $tag are filled in.' },
      { name: 'kind', label: 'Kind', options: ['postback', 'pingback'], value: 'postback' }],
    act: async ({ url, kind }) => {
      const task = await call('test/webhook/task_post', [{ tag: 'test', [`${kind}_url`]: url.trim(), result: { message: 'This is a test webhook of Hookpace.' } }]);
      sent = { id: task.id, url: url.trim(), kind };
    },
  });
  return sent;
}

// The last failed attempt of the task ID, or null; NUMBER is how many failed.
async function failureOf(id, signal) {
  const all = (await call('test/errors', [{ limit: ERRORS }], signal)).result ?? [];
  const own = all.filter((f) => f.id === id);
  return own.length ? { ...own[0], number: own.length } : null;
}

function outcome(test, failure) {
  const first = ['The ', test.kind, ' of task ', data(test.id), ' was sent to your lane. '];
  if (!failure) return el('p', { role: 'status' }, first, 'No attempt has failed.');
  return el('p', { role: 'status', class: 'problem' }, first, `${count(failure.number)} failed: `, data(failure.error_message, 200), ', ', time(moment(failure.datetime)), '. ',
    failure.http_response ? ['Answer: ', data(failure.http_response, 200)] : null);
}

export function settings(route) {
  let test = null;
  const result = el('div');
  const list = table('Settings', [
    { title: 'Setting', head: true, size: 'name', key: (r) => r.name },
    { title: 'Now', line: true, key: (r) => r.value, draw },
    { title: 'Set by', key: (r) => (r.isSet ? 'you' : 'the configuration') },
    { title: '', line: true, size: 'act', key: (r) => [r.value, r.isSet], draw: actsOf },
  ], el('p', null, ''));

  function actsOf(row) {
    const again = route.again;
    const changes = button('Change…', () => change(row, again), { 'aria-label': `Change: ${row.name}` });
    if (row.id !== 'sign') return changes;
    return el('span', { class: 'buttons' }, button('New secret…', () => newSecret(row.value, again)), row.isSet && changes);
  }

  async function refresh(signal) {
    const now = (await call(SETTINGS, undefined, signal)).result[0];
    list.update(ROWS.map((row) => ({ ...row, value: now[row.id], isSet: now.set.includes(row.id) })));
    if (!test) return;
    const shown = test;
    const failure = await failureOf(shown.id, signal);
    if (shown === test) fill(result, [shown, failure], () => [outcome(shown, failure)]);
  }
  const testing = button('Send a test webhook…', async () => {
    test = (await sendTest()) ?? test;
    route.again();
  });
  const note = el('p', { class: 'quiet' }, 'Settings hold for tasks that you set from now on. A task keeps the settings and the secret that were in force when it was set.');
  return { title: 'Settings', every: 2000, refresh, nodes: [note, ...list.nodes, el('h2', null, 'Test webhook'), el('p', null, testing), result] };
}
