'use strict';
// Everything that comes from the process is put into text nodes, never into HTML.
(() => {
const every = 1000; // ms between two questions
const window_ = 60; // seconds in a chart
const limit = 200;  // transports on the page

const byId = id => document.getElementById(id);

// el makes an element with a class and children. Strings become text nodes.
function el(tag, cls, ...children) {
	const e = document.createElement(tag);
	if (cls) e.className = cls;
	e.append(...children);
	return e;
}

// foreign is for what a program or a peer has written: its direction is its own.
const foreign = (s, tag = 'span') => el(tag, 'text', s);

function set(e, s) {
	if (e.textContent !== s) e.textContent = s;
}

function show(e, on) {
	if (e.hidden === on) e.hidden = !on;
}

// Numbers.

const whole = n => n.toLocaleString('en-US');

function short(n) {
	for (const [size, unit] of [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']]) {
		if (n >= size * 0.9995) return digits(n / size) + unit;
	}
	return digits(n);
}

function digits(n) {
	return n === 0 || n >= 100 ? String(Math.round(n)) : n.toPrecision(n < 0.01 ? 1 : 3).replace(/\.?0+$/, '');
}

function bytes(n) {
	for (const [size, unit] of [[2 ** 40, 'TiB'], [2 ** 30, 'GiB'], [2 ** 20, 'MiB'], [2 ** 10, 'KiB']]) {
		if (n >= size) return digits(n / size) + '\u00a0' + unit;
	}
	return n + '\u00a0B';
}

function seconds(s) {
	if (s >= 172800) return digits(s / 86400) + '\u00a0d';
	if (s >= 7200) return digits(s / 3600) + '\u00a0h';
	if (s >= 120) return digits(s / 60) + '\u00a0min';
	if (s >= 1 || s === 0) return digits(s) + '\u00a0s';
	if (s >= 1e-3) return digits(s * 1e3) + '\u00a0ms';
	return digits(s * 1e6) + '\u00a0µs';
}

const clock = t => new Date(t).toLocaleTimeString('en-GB');
const traffic = t => `${whole(t.messages)} · ${bytes(t.bytes)}`;
const plural = (n, one, many = one + 's') => `${whole(n)} ${n === 1 ? one : many}`;

// A chart is a line over the last minute. Its top is the greatest number in it.
function chart(label) {
	const ns = 'http://www.w3.org/2000/svg';
	const make = (tag, attributes) => {
		const e = document.createElementNS(ns, tag);
		for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
		return e;
	};
	const svg = make('svg', {class: 'chart', viewBox: '0 0 100 20', preserveAspectRatio: 'none', role: 'img', 'aria-label': label});
	const area = make('polygon', {}), line = make('polyline', {});
	svg.append(make('line', {x1: 0, y1: 20, x2: 100, y2: 20}), area, line);
	svg.draw = (values, ago) => {
		values = values || [];
		const highest = Math.max(...values) || 1;
		const offset = ago.length - values.length;
		const points = [];
		values.forEach((v, i) => {
			const x = 100 - 100 * ago[offset + i] / window_;
			if (x >= 0) points.push(`${x.toFixed(1)},${(20 - 18.5 * Math.min(v / highest, 1)).toFixed(1)}`);
		});
		const path = points.join(' ');
		line.setAttribute('points', path);
		area.setAttribute('points', points.length < 2 ? '' :
			`${points[0].split(',')[0]},20 ${path} ${points[points.length - 1].split(',')[0]},20`);
	};
	return svg;
}

// pairs makes a list of names and values, without those whose value is false.
function pairs(...list) {
	const dl = el('dl');
	for (const [name, value, cls] of list) {
		if (value !== false) dl.append(el('dt', '', name), el('dd', cls || '', value));
	}
	return dl;
}

const part = (title, ...children) => el('section', '', el('h3', '', title), ...children);

// Each thing on the page has an element and update, which makes it show new data.

function rateCell(cls, word) {
	const number = el('b'), line = chart(word + ' in the last minute');
	const e = el('div', 'rate ' + cls, el('span', '', el('span', 'label', word + ' '), number), line);
	e.firstChild.className = 'number';
	return {e, update(rate, total, values, ago) {
		set(number, rate === undefined ? '–' : short(rate) + '/s');
		number.className = rate ? '' : 'zero';
		e.title = `${word} ${whole(total.messages)} messages, ${bytes(total.bytes)}`;
		line.draw(values, ago);
	}};
}

function transportRow() {
	const type = el('span'), name = el('span', 'name text');
	const ends = el('ul', 'ends mono'), peers = el('span'), buffer = el('span'), fill = el('i');
	const bar = el('span', 'bar', fill);
	const received = rateCell('in', 'received'), sent = rateCell('out', 'sent');
	const more = el('div', 'more');
	const e = el('details', 't',
		el('summary', '',
			el('div', 'type', type, name), ends,
			el('div', 'peers', el('span', 'label', 'peers '), peers),
			received.e, sent.e,
			el('div', 'buffer', el('span', 'label', 'buffered '), buffer, bar)),
		more);
	let data, drawn = '';
	function fillMore() {
		if (!e.open || !data) return;
		const text = JSON.stringify({...data, rates: 0, history: 0});
		if (text === drawn) return;
		drawn = text;
		more.replaceChildren(...transportParts(data));
	}
	e.addEventListener('toggle', fillMore);
	return {e, update(t, ago) {
		data = t;
		e.dataset.id = t.id;
		set(type, t.type);
		set(name, t.name);
		const lines = endLines(t);
		if (ends.dataset.drawn !== lines.text) {
			ends.dataset.drawn = lines.text;
			ends.replaceChildren(...lines.elements);
		}
		const {number, why} = peersOf(t);
		set(peers, number === undefined ? '?' : whole(number));
		peers.className = number ? '' : 'zero';
		peers.title = why || '';
		const rates = t.rates || {}, history = t.history || {};
		received.update(rates.received_messages_per_second, t.received, history.received_messages_per_second, ago);
		sent.update(rates.sent_messages_per_second, t.sent, history.sent_messages_per_second, ago);
		set(buffer, bytes(t.buffer.bytes));
		buffer.className = t.buffer.bytes ? '' : 'zero';
		const share = Math.min(t.buffer.bytes / Math.max(t.buffer.high_bytes, 1), 1);
		fill.style.width = `${Math.round(100 * share)}%`;
		bar.className = t.buffer.paused ? 'bar full' : 'bar';
		fillMore();
	}};
}

// peersOf is how many peers a transport has, or why that is unknown.
function peersOf(t) {
	const number = t.connections && t.connections.open, ends = t.bound.concat(t.connected);
	if (number === undefined) return {why: 'unknown: only the monitor of a Stream tells'};
	if (!number && ends.length && ends.every(s => s.startsWith('inproc:'))) return {why: 'unknown: over inproc libzmq tells nothing'};
	return {number};
}

// endLines are the endpoints of a transport, and what is unusual about it.
function endLines(t) {
	const list = [];
	for (const s of t.bound) list.push(['●', 'bound', s]);
	for (const s of t.connected) list.push(['→', 'connected', s]);
	const flags = [];
	if (t.state !== 'open') flags.push(t.state);
	if (t.buffer.paused) flags.push('writing paused');
	if (t.buffer.waiting) flags.push(plural(t.buffer.waiting, 'waiting writer'));
	if (!t.reading && t.state === 'open') flags.push('reading paused');
	if (t.socket_busy) flags.push('socket busy');
	const most = 4, omitted = Math.max(list.length - most, 0) + t.bound_omitted + t.connected_omitted;
	const elements = list.slice(0, most).map(([sign, word, s]) => {
		const way = el('span', 'way', sign);
		way.title = word;
		way.setAttribute('aria-label', word);
		return el('li', '', way, foreign(s));
	});
	if (!list.length) elements.push(el('li', 'soft', 'no endpoint'));
	if (omitted) elements.push(el('li', 'soft', `and ${plural(omitted, 'more', 'more')}`));
	if (flags.length) elements.push(el('li', '', ...flags.map(f => el('span', 'pill warn', f))));
	return {elements, text: JSON.stringify([list, flags, omitted])};
}

// transportParts is what an open row shows.
function transportParts(t) {
	const b = t.buffer, d = t.drops, dropped = x => x.messages ? traffic(x) : false;
	const parts = [part('Figures', pairs(
		['received', traffic(t.received)],
		['sent', traffic(t.sent)],
		['last received', t.last_received ? clock(t.last_received) : 'never'],
		['buffered', traffic(b)],
		['marks, low and high', `${bytes(b.low_bytes)} · ${bytes(b.high_bytes)}`],
		['unread', t.unread.messages ? traffic(t.unread) : false],
		['pauses', b.pauses ? `${whole(b.pauses)} · ${seconds(b.paused_seconds)}` : false],
		['writes that waited', b.waits ? whole(b.waits) : false],
		['writes refused', b.refused ? whole(b.refused) : false],
		['dropped, no such peer', dropped(d.unroutable)],
		['dropped, unsent at the end', dropped(d.unsent)],
		['dropped, unread at the end', dropped(d.unread)],
		['events dropped', d.events ? whole(d.events) : false]))];

	const options = t.options || [];
	const socket = pairs(
		['protocol', foreign(t.protocol, 'code')],
		['mechanism', t.mechanism || 'unknown'],
		...options.map(o => [o.name, el('span', '', foreign(o.value, 'code'), el('span', 'soft', ' default ', foreign(o.default || 'empty', 'code')))]));
	parts.push(part(options.length ? 'Socket, and options that were changed' : 'Socket, all options at their defaults', socket));

	if (t.connections) {
		const c = t.connections, failures = Object.entries(c.handshake_failures || {});
		parts.push(part('Connections', pairs(
			['open', c.open === undefined ? 'unknown' : whole(c.open)],
			['connected', whole(c.connects)],
			['accepted', whole(c.accepts)],
			['ended', whole(c.disconnects)],
			['retries', c.retries ? whole(c.retries) : false],
			['not accepted', c.accept_failures ? whole(c.accept_failures) : false],
			['handshakes', whole(c.handshakes)],
			...failures.map(([reason, n]) => ['failed, ' + reason, whole(n)]))));
	}
	const topics = t.subscriptions || [];
	if (topics.length) {
		const list = topics.map(s => el('li', '', s ? foreign(s, 'code') : el('span', 'soft', 'everything')));
		if (t.subscriptions_omitted) list.push(el('li', 'soft', `and ${whole(t.subscriptions_omitted)} more`));
		parts.push(part('Subscriptions', el('ul', '', ...list)));
	}
	const events = (t.events || []).slice().reverse().map(ev => el('li', '',
		el('span', 'soft', clock(ev.time)),
		el('span', '', ev.event.toLowerCase().replaceAll('_', ' '), ' ', foreign(ev.endpoint, 'code'), ev.detail ? ': ' : '', foreign(ev.detail))));
	const told = part('Events', t.monitored
		? events.length ? el('ol', 'events', ...events) : el('p', 'soft', 'none yet')
		: el('p', 'soft', 'unknown: the transport has no monitor'));
	if (events.length) told.className = 'wide';
	parts.push(told);

	return parts;
}

// keyed keeps an element for each of a list, in its order.
function keyed(parent, make) {
	const kept = new Map();
	return (list, ago) => {
		const seen = new Set();
		let at = parent.firstChild;
		for (const data of list) {
			seen.add(data.id);
			if (!kept.has(data.id)) kept.set(data.id, make());
			const item = kept.get(data.id);
			item.update(data, ago);
			if (item.e === at) at = at.nextSibling;
			else parent.insertBefore(item.e, at);
		}
		for (const [id, item] of kept) {
			if (!seen.has(id)) {
				item.e.remove();
				kept.delete(id);
			}
		}
	};
}

function loopSection() {
	const name = el('h2', 'text'), state = el('span', 'pill'), busy = chart('share of time in callbacks, in the last minute');
	const fact = word => {
		const b = el('b'), e = el('span', '', b, ' ', word);
		return {e, b};
	};
	const facts = {
		transports: fact('transports'), iterations: fact('iterations/s'), callbacks: fact('callbacks/s'),
		longest: fact('longest'), ready: fact('ready'), exceptions: fact('exceptions'), busy: fact('busy'),
	};
	facts.busy.e.append(busy);
	const alert = el('p', 'alert'), rows = el('div', 'rows'), note = el('p', 'note');
	const columns = el('div', 'columns', ...['', 'Type', 'Endpoints', 'Peers', 'Received', 'Sent', 'Buffered'].map(s => el('span', '', s)));
	const others = el('section', 'part'), slow = el('section', 'part');
	const transports = keyed(rows, transportRow);
	const e = el('section', 'loop',
		el('div', 'head', name, state, el('div', 'facts', ...Object.values(facts).map(f => f.e))),
		alert, columns, rows, note, others, slow);
	let drawn = '';
	return {e, update(l, ago) {
		set(name, l.name ? `Loop ${l.id} · ${l.name}` : `Loop ${l.id}`);
		set(state, {stopped: 'not run', running: l.debug ? 'running, debug mode' : 'running'}[l.state] || l.state);
		state.className = 'pill ' + (l.state === 'stopped' ? '' : l.state);
		const shown = l.transports.length, rates = l.rates || {};
		set(facts.transports.b, whole(shown + l.transports_omitted));
		set(facts.iterations.b, rates.iterations_per_second === undefined ? '–' : short(rates.iterations_per_second));
		set(facts.callbacks.b, rates.callbacks_per_second === undefined ? '–' : short(rates.callbacks_per_second));
		set(facts.longest.b, seconds(l.longest_seconds));
		set(facts.ready.b, whole(l.ready));
		set(facts.exceptions.b, whole(l.exceptions));
		show(facts.exceptions.e, l.exceptions > 0);
		set(facts.busy.b, rates.busy_ratio === undefined ? '–' : digits(Math.round(rates.busy_ratio * 1000) / 10) + '\u00a0%');
		busy.draw(l.history && l.history.busy_ratio, ago);

		const c = l.running_callback;
		show(alert, l.state === 'stuck');
		if (l.state === 'stuck') {
			alert.replaceChildren(...(c
				? [foreign(c.name, 'code'), ` has not returned for ${seconds(c.seconds)}. `, el('span', 'soft', c.place, c.resident ? ' ' : ''), foreign(c.resident)]
				: [`A callback has not returned for ${seconds(l.current_seconds)}.`]));
		}
		show(columns, shown > 0);
		transports(l.transports, ago);
		const does = l.transports_omitted === 1 ? 'does' : 'do', what = byId('match').value ? 'match or fit' : 'fit';
		set(note, l.transports_omitted ? `${plural(l.transports_omitted, 'more transport')} ${does} not ${what}.`
			: shown ? '' : 'No transports of ZeroMQ.');
		show(note, note.textContent !== '');

		const text = JSON.stringify([l.residents, l.residents_omitted, l.slow_callbacks]);
		if (text === drawn) return;
		drawn = text;
		const list = l.residents.map(r => el('li', 'mono', foreign(r.text),
			r.undelivered_bytes || r.undelivered_items ? el('span', 'soft', ` ${bytes(r.undelivered_bytes)} undelivered`) : '',
			r.busy ? el('span', 'pill warn', 'does not answer') : ''));
		if (l.residents_omitted) list.push(el('li', 'soft', `and ${whole(l.residents_omitted)} more`));
		others.replaceChildren(el('h3', '', 'Also on the loop'), el('ul', 'residents', ...list));
		show(others, list.length > 0);
		slow.replaceChildren(el('h3', '', 'Slow callbacks'), el('ol', 'slow', ...l.slow_callbacks.slice().reverse().map(c => el('li', '',
			el('b', '', seconds(c.seconds)),
			el('span', '', foreign(c.name, 'code'), ' ', foreign(c.resident), el('span', 'soft', ` ${c.place}, ${clock(c.start)}`))))));
		show(slow, l.slow_callbacks.length > 0);
	}};
}

const none = el('p', 'note', 'No event loop is open.');
const loops = keyed(byId('loops'), loopSection);
byId('loops').after(none);

function update(s) {
	const p = s.process, mib = p.heap_bytes / 2 ** 20;
	set(byId('program'), p.program);
	document.title = `${p.program} · zmqio`;
	const facts = [`pid ${p.pid}`, `up ${seconds(p.uptime_seconds)}`, p.go_version, `libzmq ${p.libzmq_version}`,
		plural(p.goroutines, 'goroutine'), `${digits(mib)}\u00a0MiB heap`];
	byId('process').replaceChildren(...facts.map(f => el('span', '', f)));
	loops(s.loops, s.history_seconds_ago || []);
	show(none, s.loops.length === 0);
}

// The page asks again a second after it asked, and once more at once after a change of the filter.

let paused = false, asking = null, timer = 0, last = 0;

function status(text, cls) {
	set(byId('status'), text);
	byId('status').className = 'status ' + cls;
}

async function ask() {
	clearTimeout(timer);
	if (asking) asking.abort();
	const mine = asking = new AbortController(), began = Date.now();
	const giveUp = setTimeout(() => mine.abort(), 10 * every);
	const query = new URLSearchParams({format: 'json', history: '1', limit, match: byId('match').value});
	try {
		const response = await fetch('?' + query, {signal: mine.signal, cache: 'no-store'});
		if (!response.ok) throw new Error(response.statusText);
		const snapshot = await response.json();
		if (mine !== asking) return; // a later question has taken its place
		update(snapshot);
		last = Date.now();
		status('live', 'live');
	} catch (err) {
		if (mine !== asking) return;
		status(last ? `no answer since ${clock(last)}` : 'no answer', 'lost');
	} finally {
		clearTimeout(giveUp);
	}
	asking = null;
	if (paused) status('paused', '');
	else if (!document.hidden) timer = setTimeout(ask, Math.max(every - (Date.now() - began), every / 5));
}

byId('pause').addEventListener('click', () => {
	paused = !paused;
	set(byId('pause'), paused ? 'Go on' : 'Pause');
	if (!paused) return ask();
	clearTimeout(timer);
	status('paused', '');
});
document.addEventListener('visibilitychange', () => {
	if (!document.hidden && !paused && !asking) ask();
});
byId('match').addEventListener('input', () => {
	clearTimeout(timer);
	timer = setTimeout(ask, 150);
});
byId('tools').addEventListener('submit', event => event.preventDefault());
ask();
})();
