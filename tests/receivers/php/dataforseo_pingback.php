<?php
// A pingback receiver that does what DataForSEO's pingback_example.php does: it fetches the result by the id in the query, inside
// the handler, and leaves a new file with the id, the tag and the result. The help page describes the file and does not print it.
//
// API_URL is the API, DIRECTORY where the files go.
require 'RestClient.php';

if (empty($_GET['id'])) {
    echo 'empty GET';
    exit;
}

// Instead of 'login' and 'password' use your credentials from https://app.dataforseo.com/api-access
$client = new RestClient(getenv('API_URL'), null, 'login', 'password');
try {
    $result = $client->get('/v3/serp/google/organic/task_get/advanced/' . rawurlencode($_GET['id']));
} catch (RestClientException $e) {
    echo "HTTP code: {$e->getHttpCode()}\nMessage: {$e->getMessage()}\n";
    exit;
}

// you can find the full list of the response codes here https://docs.dataforseo.com/v3/appendix/errors
if (isset($result['status_code']) && $result['status_code'] === 20000) {
    $file = ['id' => $_GET['id'], 'tag' => $_GET['tag'] ?? null, 'result' => $result];
    file_put_contents(getenv('DIRECTORY') . '/pingback-' . basename($_GET['id']) . '.json', json_encode($file));
    echo 'ok';
} else {
    echo 'error';
}
