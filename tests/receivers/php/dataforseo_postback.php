<?php
// A postback receiver that does what DataForSEO's postback_example.php does: it unpacks the body, which is always gzip, without a
// look at the headers, and leaves a new file with the results. The help page describes the file and does not print it.
//
// DIRECTORY is where the files go.
$body = file_get_contents('php://input');
if (empty($body)) {
    echo 'empty POST';
    exit;
}

$result = json_decode(gzdecode($body), true);
// you can find the full list of the response codes here https://docs.dataforseo.com/v3/appendix/errors
if (isset($result['status_code']) && $result['status_code'] === 20000) {
    file_put_contents(getenv('DIRECTORY') . '/postback-' . basename($result['tasks'][0]['id']) . '.json', json_encode($result));
    echo 'ok';
} else {
    echo 'error';
}
