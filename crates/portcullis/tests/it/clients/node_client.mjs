// Node against the gateway: `fetch BASE` or `http2 BASE`. The events' second half waits for `/go-on`.
import assert from 'node:assert/strict';
import http2 from 'node:http2';
import { once } from 'node:events';

const [way, base] = process.argv.slice(2);
const FIRST = 'data: one\n\n', SECOND = 'data: two\n\n';
const piece = new Uint8Array(100_000).fill(120);

async function withFetch() {
  const plain = await Promise.all(Array.from({ length: 20 }, (_, n) => fetch(`${base}/plain/${n}`).then(a => a.text())));
  plain.forEach((text, n) => assert.equal(text, `GET /plain/${n}\n`));

  const cookies = await fetch(`${base}/cookies`);
  assert.deepEqual(cookies.headers.getSetCookie(), ['a=1', 'b=2']);

  let left = 20;
  const body = new ReadableStream({ pull(to) { left-- > 0 ? to.enqueue(piece) : to.close(); } });
  const posted = await fetch(`${base}/post`, { method: 'POST', body, duplex: 'half' });
  assert.equal(posted.status, 200);

  let received = 0;
  for await (const part of (await fetch(`${base}/large`)).body) received += part.length;
  assert.equal(received, 5_000_000);

  const events = (await fetch(`${base}/events/x`)).body.pipeThrough(new TextDecoderStream()).getReader();
  assert.equal((await events.read()).value, FIRST);
  assert.equal((await fetch(`${base}/go-on`)).status, 204);
  assert.equal((await events.read()).value, SECOND);
  assert.equal((await events.read()).done, true);

  const refused = await fetch(`${base}/admin`);
  assert.equal(refused.status, 401);
  assert.equal((await refused.json()).status, 401);
}

async function withHttp2() {
  const session = http2.connect(base);
  await once(session, 'connect');
  const ask = async (path, fields = {}, body) => {
    const stream = session.request({ ':path': path, ...fields }, { endStream: body === undefined });
    for (const part of body ?? []) if (!stream.write(part)) await once(stream, 'drain');
    if (body) stream.end();
    const [head] = await once(stream, 'response');
    return { head, stream };
  };
  const read = async stream => { let n = 0; for await (const part of stream) n += part.length; return n; };

  const many = Array.from({ length: 50 }, (_, n) => ask(`/plain/${n}`).then(async ({ head, stream }) => {
    assert.equal(head['x-recorded'], `/plain/${n}`);
    await read(stream);
  }));
  await Promise.all(many);

  const cookies = await ask('/cookies');
  assert.deepEqual(cookies.head['set-cookie'], ['a=1', 'b=2']);
  cookies.stream.resume();

  const posted = await ask('/post', { ':method': 'POST' }, Array(20).fill(piece));
  assert.equal(posted.head[':status'], 200);
  posted.stream.resume();

  assert.equal(await read((await ask('/large')).stream), 5_000_000);

  const { stream } = await ask('/events/x');
  stream.setEncoding('utf8');
  const events = stream[Symbol.asyncIterator]();
  assert.equal((await events.next()).value, FIRST);
  assert.equal((await ask('/go-on')).head[':status'], 204);
  assert.equal((await events.next()).value, SECOND);
  assert.equal((await events.next()).done, true);

  session.close();
  await once(session, 'close');
}

await (way === 'fetch' ? withFetch() : withHttp2());
