// A table that changes in place: a row keeps its element as long as its id is there, and only cells that differ are drawn again.
import { el, fill } from './dom.js';

// COLUMNS: {title, key(row), draw(row)}, and maybe `size` (the width of the column, a class "w-..."; without it the column shares what
// is left), `number`, `head` (the cell names its row), `wide` (not shown on a phone), `line` (has a line of its own there). A cell is
// drawn again when key(row) changes. Without draw the cell shows key(row).
//
// The roles are written out, because a phone shows rows as cards, and a browser takes no table for one that is not laid out as one.
export function table(caption, columns, empty) {
  const body = el('tbody', { role: 'rowgroup' });
  const head = el('tr', { role: 'row' }, columns.map((c) => el('th', { scope: 'col', role: 'columnheader', class: classOf(c) }, c.title || el('span', { class: 'unseen' }, 'Actions'))));
  const whenEmpty = el('div', { class: 'empty', hidden: true }, empty);
  const frame = el('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', { role: 'table' }, el('caption', { class: 'unseen' }, caption), el('thead', { role: 'rowgroup' }, head), body));
  const rows = new Map();

  function makeRow() {
    const cells = columns.map((c) => el(c.head ? 'th' : 'td', { scope: c.head ? 'row' : null, role: c.head ? 'rowheader' : 'cell', class: classOf(c), 'data-name': c.head ? null : c.title || null }));
    return { node: el('tr', { role: 'row' }, cells), cells, row: null };
  }

  function update(items) {
    const wanted = new Set(items.map((item) => item.id));
    for (const [id, kept] of rows) {
      if (wanted.has(id)) continue;
      kept.node.remove();
      rows.delete(id);
    }
    let before = null;
    for (const item of items) {
      let kept = rows.get(item.id);
      if (!kept) rows.set(item.id, (kept = makeRow()));
      kept.row = item;
      columns.forEach((c, i) => fill(kept.cells[i], c.key(item), () => (c.draw ? c.draw(item) : String(c.key(item)))));
      const place = before ? before.nextSibling : body.firstChild;
      if (place !== kept.node) body.insertBefore(kept.node, place);
      before = kept.node;
    }
    whenEmpty.hidden = items.length > 0;
    frame.hidden = items.length === 0;
  }

  return { nodes: [frame, whenEmpty], update };
}

function classOf(column) {
  return [column.number && 'number', column.wide && 'wide', column.line && 'line', column.size && `w-${column.size}`].filter(Boolean).join(' ') || null;
}

// Links to the next page, and back to the first. VIEW, ARG and QUERY are those of the page that is shown.
export function pager() {
  const node = el('nav', { class: 'pager', 'aria-label': 'Pages' });
  function update(next, hasCursor, addressOf) {
    node.hidden = !next && !hasCursor;
    fill(node, [next, hasCursor, addressOf('x')], () => [
      hasCursor && el('a', { href: addressOf(''), class: 'button' }, 'First page'),
      hasCursor && el('button', { type: 'button', onclick: () => history.back() }, 'Back'),
      next && el('a', { href: addressOf(next), class: 'button' }, 'Next page'),
    ].filter(Boolean));
  }
  return { node, update };
}
