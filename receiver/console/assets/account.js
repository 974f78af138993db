// The pages of an account of role `user`: its own tasks, its failed webhooks, its delay. They use the task API, which shows an account
// nothing of others.
import { Failure, get, post } from './api.js';
import { ask, button, data, el, fill, say, time } from './dom.js';
import { count, delay, showLines } from './text.js';
import { table } from './table.js';

const FAILED = 100; // so many failed attempts are shown
const COUNTS = [['pending', 'Nobody works on them'], ['processing', 'Under way'], ['done_not_fetched', 'Done, not fetched'], ['done_fetched', 'Done and fetched'], ['failed', 'Failed']];

// The first task of an answer of the task API. What it refuses comes with status 200 and a code of its own.
async function call(path, body, signal) {
  const answer = await (body === undefined ? get(`/v3/${path}`, signal) : post(`/v3/${path}`, body, signal));
  const task = answer.tasks?.[0];
  const code = task?.status_code ?? answer.status_code;
  if (code >= 30000) throw new Failure('refused', task?.status_message ?? answer.status_message, 200, String(code));
  return task;
}

// "2026-11-21 09:30:00 +00:00", as the task API writes moments.
const moment = (text) => String(text).replace(/^(\S+) (\S+) (\S+)$/, '$1T$2$3');

export function account(route) {
  const cards = el('dl', { class: 'cards' });
  const setting = el('p');
  const resend = async (id) => {
    try {
      await call('appendix/webhook_resend', [{ id }]);
      say(`The webhooks of task ${id} are queued again.`);
    } catch (e) {
      say(`Not resent: ${e.message}`);
    }
    route.again();
  };
  const change = async (now) => {
    const done = await ask({
      title: 'Webhook delay', text: 'The pause between two webhooks of your account. It holds for what is accepted from now on.', yes: 'Set the delay',
      fields: [{ name: 'ms', label: 'Delay in ms', value: now, inputmode: 'numeric', help: '0 (none), 50, or a multiple of 100 up to 1000. Empty: as in the configuration.' }],
      act: ({ ms }) => {
        if (ms.trim() && !/^\d+$/.test(ms.trim())) throw new Error(`"${ms}" is not a number.`);
        return call('appendix/webhook_delay', [{ webhook_delay: ms.trim() ? Number(ms) : null }]);
      },
    });
    if (done) say('The delay is set.');
    route.again();
  };
  const list = table('Failed webhooks', [
    { title: 'Task', head: true, size: 'name', key: (f) => f.task, draw: (f) => data(f.task, 48) },
    { title: 'Failed', key: (f) => f.datetime, draw: (f) => time(moment(f.datetime)) },
    { title: 'Webhook', wide: true, key: (f) => f.function, draw: (f) => data(f.function) },
    { title: 'URL', line: true, size: 'name', key: (f) => f.http_url, draw: (f) => data(f.http_url, 100) },
    { title: 'Reason', line: true, size: 'name', key: (f) => f.error_message, draw: (f) => data(f.error_message, 100) },
    { title: 'Answer', wide: true, size: 'name', key: (f) => f.http_response, draw: (f) => data(showLines(f.http_response ?? ''), 120) },
    { title: '', line: true, size: 'act', key: (f) => f.task, draw: (f) => button('Resend', () => resend(f.task), { 'aria-label': `Resend the webhooks of task ${f.task}` }) },
  ], el('p', null, 'No webhook of your tasks has failed in the last 7 days.'));

  async function refresh(signal) {
    const [counts, user, failed] = await Promise.all([call('tasks/count', undefined, signal), call('appendix/user_data', undefined, signal), call('serp/errors', [{ limit: FAILED }], signal)]);
    const tasks = counts.result[0];
    fill(cards, tasks, () => COUNTS.map(([key, name]) => el('div', { class: key === 'failed' && tasks[key] ? 'bad' : null }, el('dt', null, name), el('dd', null, count(tasks[key])))));
    const now = user.result[0].webhook_delay;
    fill(setting, now, () => [el('span', null, `Delay between two webhooks: ${delay(now)}. `), button('Change…', () => change(now), { 'aria-label': 'Change the webhook delay' })]);
    const seen = new Map();
    list.update((failed.result ?? []).map((f) => {
      const key = `${f.id} ${f.datetime} ${f.function}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return { ...f, task: f.id, id: `${key} ${seen.get(key)}` };
    }));
  }
  return { title: 'Your tasks', refresh, nodes: [cards, el('h2', null, 'Settings'), setting, el('h2', null, 'Failed webhooks'), ...list.nodes] };
}
