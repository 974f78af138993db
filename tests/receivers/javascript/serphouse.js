// SERPHouse's example of a receiver, from its help page on webhooks, run with Debian's express and body-parser.
//
// The page prints it without line breaks. Filled in here: the port as an argument, the id on standard output, and the route of
// the pingback, which the page describes and does not show.
var http = require("http");
const crypto = require('crypto');
const express = require('express')
const app = express()
var bodyParser = require('body-parser')
const sigHeaderName = 'x-serphouse-signature';
const sigHashAlg = 'sha256';
const sigPrefix = ''; //set this to your signature prefix if any
const secret = "yoursecretkey"; //your webhook secret key from your webhook settings https://app.serphouse.com/wehook-setting
app.use(bodyParser.json({
  verify: (req, res, buf, encoding) => {
    if (buf && buf.length) {
      req.rawBody = buf.toString(encoding || 'utf8');
    }
  },
}));
function validatePayload(req, res, next) {
  if (req.get(sigHeaderName)) {
    //Extract Signature header
    const sig = Buffer.from(req.get(sigHeaderName) || '', 'utf8')
    //Calculate HMAC
    const hmac = crypto.createHmac(sigHashAlg, secret)
    const digest = Buffer.from(sigPrefix + hmac.update(req.rawBody).digest('hex'), 'utf8');
    //Compare HMACs
    if (sig.length !== digest.length || !crypto.timingSafeEqual(digest, sig)) {
      console.log("Unable to verify signature");
      return res.status(401).send({ message: `Request body digest (${digest}) did not match ${sigHeaderName} (${sig})` });
    } else {
      console.log("Signature successfully verified ");
    }
  }
  return next()
}
app.use(validatePayload);
app.post('/webhook', function (req, res) {
  console.log("accepted " + req.body.id);
  res.send("All is well, I am here after the successful verification")
})
app.get('/webhook', function (req, res) {
  console.log("accepted " + req.query.id);
  res.send("All is well")
})
const server = http.createServer(app).listen(process.argv[2], '127.0.0.1', function () {
  console.log(`Server running at http://127.0.0.1:${server.address().port}/`);
})
