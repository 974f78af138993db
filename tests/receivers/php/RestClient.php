<?php
// A client with the interface of DataForSEO's RestClient.php, as far as the examples call it. DataForSEO publishes the class as
// a download; the help pages do not print it.
class RestClientException extends Exception
{
    private $http_code;

    public function __construct($message, $code = 0, $http_code = null)
    {
        parent::__construct($message, $code);
        $this->http_code = $http_code;
    }

    public function getHttpCode()
    {
        return $this->http_code;
    }
}

class RestClient
{
    private $host;
    private $header;

    public function __construct($host, $port, $login, $password)
    {
        $this->host = rtrim($host, '/') . ($port === null ? '' : ':' . $port);
        $this->header = 'Authorization: Basic ' . base64_encode("$login:$password");
    }

    public function get($url)
    {
        $options = ['http' => ['method' => 'GET', 'header' => $this->header, 'timeout' => 5, 'ignore_errors' => true]];
        $text = @file_get_contents($this->host . $url, false, stream_context_create($options));
        if ($text === false) {
            throw new RestClientException("no answer from $this->host");
        }
        $result = json_decode($text, true);
        if (!is_array($result)) {
            throw new RestClientException("no JSON: $text", 0, (int) explode(' ', $http_response_header[0])[1]);
        }
        return $result;
    }
}
