require_relative 'hookpace'
$stdin.each_line(chomp: true) do |line|
  id, timestamp, signatures, body, secret = line.split("\t")
  puts hookpace_verify(id, timestamp, signatures, Base64.decode64(body), secret)
end
