# Semscraper's example of a callback in Ruby, run with Debian's webrick.
#
# The page does not print it in Ruby; the steps are those of its C# and JavaScript. Filled in besides: the port as an argument,
# and the pingback, which has no body and hence no signature.
require 'json'
require 'openssl'
require 'time'
require 'webrick'

SHARED_SECRET = 'HMAC_KEY'

def secure_compare(a, b)
  a.bytesize == b.bytesize && OpenSSL.fixed_length_secure_compare(a, b)
end

def text(response, status, body)
  response.status = status
  response['Content-Type'] = 'text/plain'
  response.body = body
end

def json(response, answer)
  response.status = 200
  response['Content-Type'] = 'application/json'
  response.body = JSON.generate(answer)
end

def callback(request, response)
  # 1) Read the raw body (JSON)
  raw = request.body || ''

  # 2) Retrieve the headers
  signature = request['X-Signature'] || ''

  # 3) (Optional) Verify the HMAC signature
  expected = OpenSSL::HMAC.hexdigest('SHA256', SHARED_SECRET, raw)
  return text(response, 401, 'Invalid signature') unless secure_compare(expected, signature)

  # 4) Decode the JSON
  begin
    data = JSON.parse(raw)
  rescue JSON::ParserError, EncodingError
    return text(response, 400, 'Invalid JSON')
  end

  # 5) Process the data
  # data contains what the client sent in the payload
  # For example: data['id'], data['results'], etc.

  # 6) Respond in JSON (optional, we log these responses for tracking purposes)
  json(response, status: 'ok', received_at: Time.now.utc.iso8601, echo: data['id'])
end

server = WEBrick::HTTPServer.new(BindAddress: '127.0.0.1', Port: Integer(ARGV[0]), AccessLog: [],
                                 Logger: WEBrick::Log.new(File::NULL))
server.mount_proc('/callback') do |request, response|
  if request.request_method == 'GET'
    json(response, status: 'ok', echo: request.query['id'], signature: request['X-Signature'])
  else
    callback(request, response)
  end
end
trap('TERM') { server.shutdown }
puts "listening on http://127.0.0.1:#{server.listeners.first.local_address.ip_port}"
$stdout.flush
server.start
