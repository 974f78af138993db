// Semscraper's example of a callback in Java, with its helpers as the page prints them and Jackson.
//
// The page's code runs under Spring; here com.sun.net.httpserver takes its place. The page leaves out steps 1 to 3, which are
// here as in its C#: the body as text, the header, the MAC over that text. `2 bytes.length` has lost its `*` on the page.
// Filled in besides: the port as an argument, and the pingback, which has no body and hence no signature.
import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.Executors;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Semscraper {
    private static final String SHARED_SECRET = "HMAC_KEY";

    private void callback(HttpExchange exchange) throws Exception {
        // 1) Read the raw body (JSON)
        String raw = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);

        // 2) Retrieve the headers
        String signature = exchange.getRequestHeaders().getFirst("X-Signature");

        // 3) (Optional) Verify the HMAC signature
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(SHARED_SECRET.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
        String expected = bytesToHex(mac.doFinal(raw.getBytes(StandardCharsets.UTF_8)));
        if (!secureCompare(expected, signature)) {
            answer(exchange, 401, "text/plain", "Invalid signature");
            return;
        }

        // 4) Decode the JSON
        Map data;
        try {
            data = new ObjectMapper().readValue(raw, Map.class);
        } catch (Exception e) {
            answer(exchange, 400, "text/plain", "Invalid JSON");
            return;
        }

        // 5) Process the data
        // data contains what the client sent in the payload
        // For example: data.get("id"), data.get("results"), etc.

        // 6) Respond in JSON (optional, we log these responses for tracking purposes)
        Map<String, Object> response = new HashMap<>();
        response.put("status", "ok");
        response.put("received_at", Instant.now().toString());
        response.put("echo", data.get("id"));
        answer(exchange, 200, "application/json", new ObjectMapper().writeValueAsString(response));
    }

    // Helper method: secure string comparison (to avoid timing attacks)
    private boolean secureCompare(String a, String b) {
        if (a == null || b == null || a.length() != b.length()) {
            return false;
        }
        int result = 0;
        for (int i = 0; i < a.length(); i++) {
            result |= a.charAt(i) ^ b.charAt(i);
        }
        return result == 0;
    }

    // Helper method: convert bytes to hex string
    private String bytesToHex(byte[] bytes) {
        StringBuilder hexString = new StringBuilder(2 * bytes.length);
        for (byte b : bytes) {
            String hex = Integer.toHexString(0xff & b);
            if (hex.length() == 1) hexString.append('0');
            hexString.append(hex);
        }
        return hexString.toString();
    }

    private void pingback(HttpExchange exchange) throws IOException {
        Map<String, Object> response = new HashMap<>();
        response.put("status", "ok");
        response.put("echo", parameter(exchange.getRequestURI().getQuery(), "id"));
        response.put("signature", exchange.getRequestHeaders().getFirst("X-Signature"));
        answer(exchange, 200, "application/json", new ObjectMapper().writeValueAsString(response));
    }

    private static String parameter(String query, String name) {
        for (String part : query.split("&")) {
            if (part.startsWith(name + "=")) return part.substring(name.length() + 1);
        }
        return null;
    }

    private static void answer(HttpExchange exchange, int status, String type, String text) throws IOException {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", type);
        exchange.sendResponseHeaders(status, bytes.length);
        exchange.getResponseBody().write(bytes);
        exchange.close();
    }

    public static void main(String[] arguments) throws IOException {
        Semscraper receiver = new Semscraper();
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0])), 0);
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.createContext("/callback", exchange -> {
            try {
                if (exchange.getRequestMethod().equals("GET")) receiver.pingback(exchange);
                else receiver.callback(exchange);
            } catch (Exception e) {
                answer(exchange, 500, "text/plain", e.toString());
            }
        });
        server.start();
        System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
    }
}
