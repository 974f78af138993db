<?php
// Semscraper's example of a callback in PHP, run by `php -S`.
//
// The page prints the first step; the others are here as in its C# and JavaScript. Filled in besides: the pingback, which has
// no body and hence no signature.
const SHARED_SECRET = "HMAC_KEY";

if ($_SERVER['REQUEST_METHOD'] === 'GET') {
    header('Content-Type: application/json');
    echo json_encode(['status' => 'ok', 'echo' => $_GET['id'] ?? null, 'signature' => $_SERVER['HTTP_X_SIGNATURE'] ?? null]);
    exit;
}

// 1) Read the raw body (JSON)
$raw = file_get_contents('php://input');

// 2) Retrieve the headers
$signature = $_SERVER['HTTP_X_SIGNATURE'] ?? '';

// 3) (Optional) Verify the HMAC signature
$expected = hash_hmac('sha256', $raw, SHARED_SECRET);
if (!hash_equals($expected, $signature)) {
    http_response_code(401);
    header('Content-Type: text/plain');
    echo 'Invalid signature';
    exit;
}

// 4) Decode the JSON
$data = json_decode($raw, true);
if (!is_array($data)) {
    http_response_code(400);
    header('Content-Type: text/plain');
    echo 'Invalid JSON';
    exit;
}

// 5) Process the data
// $data contains what the client sent in the payload
// For example: $data['id'], $data['results'], etc.

// 6) Respond in JSON (optional, we log these responses for tracking purposes)
http_response_code(200);
header('Content-Type: application/json');
echo json_encode([
    'status' => 'ok',
    'received_at' => date('c'),
    'echo' => $data['id'] ?? null,
]);
