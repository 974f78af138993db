// Semscraper's example of a callback in JavaScript, run with Debian's express.
//
// The page leaves out what stands before the middleware, reading the header and the MAC (steps 2 and 3, here as in its C#).
// Filled in besides: the port as an argument, and the route of the pingback, which has no body and hence no signature.
const crypto = require("crypto");
const express = require("express");

const app = express();
const SHARED_SECRET = "HMAC_KEY";

// Middleware to parse JSON and keep raw body for HMAC verification
app.use(express.json({
  verify: (req, res, buf) => {
    req.rawBody = buf.toString(); // Save raw body for signature check
  }
}));

app.post("/callback", (req, res) => {
  // 1) Read the raw body (JSON)
  const raw = req.rawBody;

  // 2) Retrieve the headers
  const signature = req.get("X-Signature") || "";

  // 3) (Optional) Verify the HMAC signature
  const expected = crypto.createHmac("sha256", SHARED_SECRET).update(raw).digest("hex");

  // Use timing-safe comparison to avoid timing attacks
  if (!crypto.timingSafeEqual(Buffer.from(expected), Buffer.from(signature))) {
    return res.status(401).type("text").send("Invalid signature");
  }

  // 4) Decode the JSON (Express already did it in req.body)
  let data;
  try {
    data = req.body;
  } catch (err) {
    return res.status(400).type("text").send("Invalid JSON");
  }

  // 5) Process the data
  // data contains what the client sent in the payload
  // For example: data.id, data.results, etc.

  // 6) Respond in JSON (optional, we log these responses for tracking purposes)
  res.status(200).json({
    status: "ok",
    received_at: new Date().toISOString(),
    echo: data.id || null
  });
});

app.get("/callback", (req, res) => {
  res.status(200).json({ status: "ok", echo: req.query.id || null, signature: req.get("X-Signature") || null });
});

const server = app.listen(process.argv[2], "127.0.0.1", () => {
  console.log(`listening on http://127.0.0.1:${server.address().port}`);
});
