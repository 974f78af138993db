const { hookpaceVerify } = require('./hookpace.js');
for (const line of require('fs').readFileSync(0, 'utf8').trimEnd().split('\n')) {
  const [id, timestamp, signatures, body, secret] = line.split('\t');
  console.log(hookpaceVerify(id, timestamp, signatures, Buffer.from(body, 'base64'), secret));
}
