// The form that asks for an account's name and password.
import { logIn } from './api.js';
import { el } from './dom.js';

// REASON says why it is asked for (again), or is empty. DONE is called with the login set; it shows the form again if the login is
// wrong.
export function loginView(reason, done) {
  const name = el('input', { id: 'login-name', name: 'name', autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', required: true });
  const password = el('input', { id: 'login-password', name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const submit = (event) => {
    event.preventDefault();
    logIn(name.value, password.value);
    done();
  };
  return [
    el('h1', null, 'Log in'),
    reason && el('p', { role: 'alert', class: 'problem' }, reason),
    el('form', { class: 'login', onsubmit: submit },
      el('p', { class: 'field' }, el('label', { for: 'login-name' }, 'Account'), name),
      el('p', { class: 'field' }, el('label', { for: 'login-password' }, 'Password'), password),
      el('p', null, el('button', { class: 'main' }, 'Log in')),
      el('p', { class: 'quiet' }, 'Accounts are in the configuration, below "accounts". The login ends when you close this tab.')),
  ].filter(Boolean);
}
