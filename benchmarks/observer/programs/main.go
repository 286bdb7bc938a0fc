// A service that answers at once, so that what is measured is the client that asks.
//
// It listens on a free port of the loopback and says which; it ends with its standard input.
package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
)

const answer = `{"id": 1}`

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr())
	go func() {
		io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	http.Serve(listener, http.HandlerFunc(serve))
}

func serve(response http.ResponseWriter, request *http.Request) {
	io.Copy(io.Discard, request.Body)
	header := response.Header()
	header.Set("Content-Type", "application/json")
	header.Set("X-Chirps-Version", "v1")
	header.Set("X-Chirps-Pod", "chirps-1")
	header.Set("X-Chirps-Node", "n3")
	header.Set("X-Chirps-Schema", "5")
	header.Set("X-Chirps-Draining", "false")
	io.WriteString(response, answer)
}
