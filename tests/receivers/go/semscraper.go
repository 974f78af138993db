// Semscraper's example of a callback in Go, run with Debian's Go.
//
// The page does not print it in Go; the steps are those of its C# and JavaScript. Filled in besides: the port as an argument,
// and the pingback, which has no body and hence no signature.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

const sharedSecret = "HMAC_KEY"

func callback(w http.ResponseWriter, r *http.Request) {
	// 1) Read the raw body (JSON)
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, "Cannot read body", http.StatusBadRequest)
		return
	}

	// 2) Retrieve the headers
	signature := r.Header.Get("X-Signature")

	// 3) (Optional) Verify the HMAC signature
	mac := hmac.New(sha256.New, []byte(sharedSecret))
	mac.Write(raw)
	expected := hex.EncodeToString(mac.Sum(nil))
	if !hmac.Equal([]byte(expected), []byte(signature)) {
		http.Error(w, "Invalid signature", http.StatusUnauthorized)
		return
	}

	// 4) Decode the JSON
	var data map[string]interface{}
	if err := json.Unmarshal(raw, &data); err != nil {
		http.Error(w, "Invalid JSON", http.StatusBadRequest)
		return
	}

	// 5) Process the data
	// data contains what the client sent in the payload
	// For example: data["id"], data["results"], etc.

	// 6) Respond in JSON (optional, we log these responses for tracking purposes)
	respond(w, map[string]interface{}{
		"status":      "ok",
		"received_at": time.Now().UTC().Format(time.RFC3339Nano),
		"echo":        data["id"],
	})
}

func pingback(w http.ResponseWriter, r *http.Request) {
	var signature interface{}
	if values := r.Header.Values("X-Signature"); len(values) > 0 {
		signature = values[0]
	}
	respond(w, map[string]interface{}{"status": "ok", "echo": r.URL.Query().Get("id"), "signature": signature})
}

func respond(w http.ResponseWriter, answer map[string]interface{}) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

func main() {
	http.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			pingback(w, r)
		} else {
			callback(w, r)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
