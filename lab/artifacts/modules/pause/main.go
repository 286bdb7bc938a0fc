// The process that holds a pod, and the probe that tells who reaches whom.
//
//	pause          wait for a signal, and reap what the pod leaves behind
//	pause -v       say so and end; kubeadm upgrade sees by this that pods can run
//	probe serve    answer on :8080 GET /name and GET /check
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"
)

const perCheck = 2 * time.Second

func main() {
	if len(os.Args) > 1 {
		if os.Args[1] == "-v" {
			fmt.Println("pause of a lab")
			return
		}
		if os.Args[1] != "serve" {
			fmt.Fprintf(os.Stderr, "unknown argument %q; there are -v and serve\n", os.Args[1])
			os.Exit(2)
		}
		serve()
		return
	}
	wait()
}

func wait() {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGCHLD)
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		for {
			if pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); pid <= 0 || err != nil {
				break
			}
		}
	}
}

func serve() {
	http.HandleFunc("GET /name", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, os.Getenv("NODE_NAME"))
	})
	http.HandleFunc("GET /check", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(checkAll(r.Context(), r.URL.Query()["url"], r.URL.Query()["dns"]))
	})
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: perCheck}
	go func() {
		wait()
		os.Exit(0)
	}()
	fmt.Fprintln(os.Stderr, server.ListenAndServe())
	os.Exit(1)
}

type result struct {
	OK     bool   `json:"ok"`
	Answer string `json:"answer"`
	Error  string `json:"error"`
}

func checkAll(ctx context.Context, urls, names []string) map[string]result {
	results := map[string]result{}
	var lock sync.Mutex
	var group sync.WaitGroup
	run := func(check func(context.Context, string) (string, error), target string) {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, perCheck)
			defer cancel()
			answer, err := check(ctx, target)
			found := result{OK: err == nil, Answer: answer}
			if err != nil {
				found.Error = err.Error()
			}
			lock.Lock()
			defer lock.Unlock()
			results[target] = found
		})
	}
	for _, url := range urls {
		run(fetch, url)
	}
	for _, name := range names {
		run(resolve, name)
	}
	group.Wait()
	return results
}

// A connection of its own for each check: a kept one would hide a lost path.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func fetch(ctx context.Context, url string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 4096))
	if err == nil && response.StatusCode >= 400 {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return string(body), err
}

func resolve(ctx context.Context, target string) (string, error) {
	name, server, found := strings.Cut(target, "@")
	if !found {
		return "", fmt.Errorf("%q is not NAME@SERVER_IP", target)
	}
	dialer := net.Dialer{}
	resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, net.JoinHostPort(server, "53"))
	}}
	addresses, err := resolver.LookupHost(ctx, name)
	return strings.Join(addresses, " "), err
}
