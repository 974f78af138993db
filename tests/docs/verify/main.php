<?php
require 'hookpace.php';
while (($line = fgets(STDIN)) !== false) {
    [$id, $timestamp, $signatures, $body, $secret] = explode("\t", rtrim($line, "\n"));
    echo hookpace_verify($id, $timestamp, $signatures, base64_decode($body), $secret) ? "true\n" : "false\n";
}
