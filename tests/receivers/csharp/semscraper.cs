// Semscraper's example of a callback in C#, run with Debian's Mono.
//
// The page's code is a minimal API of .NET; here HttpListener takes its place, BitConverter that of Convert.ToHexString, and
// JavaScriptSerializer that of System.Text.Json, which Mono does not have. The page leaves out the comparison and step 4.
// Filled in besides: the port as an argument, and the pingback, which has no body and hence no signature.
using System;
using System.Collections.Generic;
using System.IO;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Web.Script.Serialization;

public static class Program
{
    const string SHARED_SECRET = "HMAC_KEY";

    static void Callback(HttpListenerRequest request, HttpListenerResponse response)
    {
        // 1) Read the raw body (JSON)
        string raw;
        using (var reader = new StreamReader(request.InputStream)) raw = reader.ReadToEnd();

        // 2) Retrieve the headers
        var signature = request.Headers["X-Signature"] ?? "";

        // 3) (Optional) Verify the HMAC signature
        string expected;
        using (var hmac = new HMACSHA256(Encoding.UTF8.GetBytes(SHARED_SECRET)))
        {
            var hash = hmac.ComputeHash(Encoding.UTF8.GetBytes(raw));
            expected = BitConverter.ToString(hash).Replace("-", "").ToLowerInvariant();
        }
        if (!SecureCompare(expected, signature))
        {
            Answer(response, 401, "text/plain", "Invalid signature");
            return;
        }

        // 4) Decode the JSON
        Dictionary<string, object> data;
        try
        {
            data = new JavaScriptSerializer().Deserialize<Dictionary<string, object>>(raw);
        }
        catch (Exception)
        {
            Answer(response, 400, "text/plain", "Invalid JSON");
            return;
        }

        // 5) Process the data
        // data contains what the client sent in the payload
        // For example: data["id"], data["results"], etc.

        // 6) Respond in JSON (optional, we log these responses for tracking purposes)
        var jsonResponse = new
        {
            status = "ok",
            received_at = DateTime.UtcNow.ToString("o"), // ISO 8601
            echo = data != null && data.ContainsKey("id") ? data["id"] : null
        };
        Answer(response, 200, "application/json", new JavaScriptSerializer().Serialize(jsonResponse));
    }

    static bool SecureCompare(string a, string b)
    {
        int result = a.Length ^ b.Length;
        for (int i = 0; i < a.Length && i < b.Length; i++) result |= a[i] ^ b[i];
        return result == 0;
    }

    static void Pingback(HttpListenerRequest request, HttpListenerResponse response)
    {
        var answer = new { status = "ok", echo = request.QueryString["id"], signature = request.Headers["X-Signature"] };
        Answer(response, 200, "application/json", new JavaScriptSerializer().Serialize(answer));
    }

    static void Answer(HttpListenerResponse response, int status, string type, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text);
        response.StatusCode = status;
        response.ContentType = type;
        response.ContentLength64 = bytes.Length;
        response.OutputStream.Write(bytes, 0, bytes.Length);
        response.Close();
    }

    public static void Main(string[] arguments)
    {
        var listener = new HttpListener();
        listener.Prefixes.Add("http://127.0.0.1:" + arguments[0] + "/");
        listener.Start();
        Console.WriteLine("listening on http://127.0.0.1:" + arguments[0]);
        while (true)
        {
            var context = listener.GetContext();
            if (context.Request.HttpMethod == "GET") Pingback(context.Request, context.Response);
            else Callback(context.Request, context.Response);
        }
    }
}
