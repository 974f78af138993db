// The calls of the task API, which shows an account nothing of others.
import { Failure, get, post } from './api.js';

// The first task of an answer of the task API. What it refuses comes with status 200 and a code of its own.
export async function call(path, body, signal) {
  const answer = await (body === undefined ? get(`/v3/${path}`, signal) : post(`/v3/${path}`, body, signal));
  const task = answer.tasks?.[0];
  const code = task?.status_code ?? answer.status_code;
  if (code >= 30000) throw new Failure('refused', task?.status_message ?? answer.status_message, 200, String(code));
  return task;
}

// "2026-11-21 09:30:00 +00:00", as the task API writes moments.
export const moment = (text) => String(text).replace(/^(\S+) (\S+) (\S+)$/, '$1T$2$3');
