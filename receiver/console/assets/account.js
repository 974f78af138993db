// An account's own tasks by status, and its failed webhooks. They come from the task API, which shows an account nothing of others.
import { button, data, el, fill, say, time } from './dom.js';
import { count, showLines } from './text.js';
import { table } from './table.js';
import { call, moment } from './tasks.js';

const FAILED = 100; // so many failed attempts are shown
const COUNTS = [['pending', 'Nobody works on them'], ['processing', 'Under way'], ['done_not_fetched', 'Done, not fetched'], ['done_fetched', 'Done and fetched'], ['failed', 'Failed']];

export function account(route) {
  const cards = el('dl', { class: 'cards' });
  const resend = async (id) => {
    try {
      await call('appendix/webhook_resend', [{ id }]);
      say(`The webhooks of task ${id} are queued again.`);
    } catch (e) {
      say(`Not resent: ${e.message}`);
    }
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
    const [counts, failed] = await Promise.all([call('tasks/count', undefined, signal), call('serp/errors', [{ limit: FAILED }], signal)]);
    const tasks = counts.result[0];
    fill(cards, tasks, () => COUNTS.map(([key, name]) => el('div', { class: key === 'failed' && tasks[key] ? 'bad' : null }, el('dt', null, name), el('dd', null, count(tasks[key])))));
    const seen = new Map();
    list.update((failed.result ?? []).map((f) => {
      const key = `${f.id} ${f.datetime} ${f.function}`;
      seen.set(key, (seen.get(key) ?? 0) + 1);
      return { ...f, task: f.id, id: `${key} ${seen.get(key)}` };
    }));
  }
  return { title: 'Your tasks', refresh, nodes: [cards, el('h2', null, 'Failed webhooks'), ...list.nodes] };
}
