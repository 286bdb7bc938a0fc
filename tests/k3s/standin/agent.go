package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tries = 2 * time.Second // pkg/agent/run.go createProxyAndValidateToken
	asks  = 5 * time.Second // pkg/agent/config/config.go Get, there up to twice that
)

func runAgent(c config) {
	say("info", "Starting k3s agent %s (standin)", version)
	token, server := c.secret("token"), c.text("server")
	if token == "" {
		fatal("Error: --token is required")
	}
	if server == "" {
		fatal("Error: --server is required")
	}
	found := readFaults()
	found.begin()
	b := newBalancer(c)
	local := b.start(c.text("lb-server-port"))
	access := validated(local, server, token)
	configured(access, c)
	importImages(c)
	b.update(servers(access))
	write(c.data("/agent/kubelet.kubeconfig"), []byte("# the stand-in has no kubelet\n"), 0o600)
	found.delay()
	us := thisNode(c, found)
	for access.ask("POST", "/v1-standin/node", us, nil) != nil {
		wait(settles)
	}
	runContainer(c)
	say("info", "k3s agent is up and running")
	notify("READY=1")
	for {
		if err := access.ask("PUT", "/v1-standin/node/"+us.Name, nil, nil); err != nil {
			klog("E", `"Error updating node status, will retry" err=%q`, fmt.Sprintf("error getting node %q: %v", us.Name, err))
		} else if known := servers(access); len(known) > 0 {
			b.update(known)
		}
		wait(4 * settles)
	}
}

// validated tries until the CA is the one that the token means.
func validated(local, server, token string) access {
	for {
		found, err := find(local, token, "node")
		if err == nil {
			return found
		}
		say("error", "Failed to validate connection to cluster at %s: %v", server, err)
		wait(tries)
	}
}

// configured tries until the server gives this node its configuration and certificates.
func configured(a access, c config) {
	for {
		err := configure(a, c)
		if err == nil {
			return
		}
		say("info", "Waiting to retrieve agent configuration; server is not ready: %v", err)
		wait(asks)
	}
}

func configure(a access, c config) error {
	if err := a.ask("GET", "/v1-k3s/config", nil, nil); err != nil {
		return fmt.Errorf("failed to retrieve configuration from server: %w", err)
	}
	err := a.ask("POST", "/v1-k3s/serving-kubelet.crt", nil, nil,
		"k3s-Node-Name", c.name(), "k3s-Node-Password", nodePassword(), "k3s-Node-IP", c.text("node-ip"))
	if isRefused(err, 403) {
		err = errors.New("Node password rejected, duplicate hostname or contents of '/etc/rancher/node/password' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag")
	}
	if err != nil {
		return fmt.Errorf("/var/lib/rancher/k3s/agent/serving-kubelet.crt: %w", err)
	}
	return nil
}

func servers(a access) []string {
	found := []string{}
	if a.ask("GET", "/v1-k3s/apiservers", nil, &found) != nil {
		return nil
	}
	slices.Sort(found)
	return found
}

// balancer is how an agent reaches servers; its file has ServerURL and ServerAddresses.
type balancer struct {
	mutex           sync.Mutex
	file, original  string
	ServerURL       string
	ServerAddresses []string
}

// newBalancer goes on with the servers it knew, if it was made for the same URL.
func newBalancer(c config) *balancer {
	server := c.text("server")
	parsed, err := url.Parse(server)
	if err != nil || parsed.Scheme != "https" {
		fatal("Error: only https:// URLs are supported, invalid scheme: %s", server)
	}
	original := parsed.Host
	if parsed.Port() == "" {
		original = net.JoinHostPort(parsed.Hostname(), "443")
	}
	b := &balancer{file: c.data("/agent/etc/k3s-agent-load-balancer.json"), original: original,
		ServerURL: server, ServerAddresses: []string{original}}
	var kept balancer
	content, err := os.ReadFile(b.file)
	if err == nil && json.Unmarshal(content, &kept) == nil && kept.ServerURL == server && len(kept.ServerAddresses) > 0 {
		b.ServerAddresses = kept.ServerAddresses
		return b
	}
	b.save()
	return b
}

func (b *balancer) save() {
	write(b.file, must(json.MarshalIndent(b, "", "  ")), 0o644)
}

func (b *balancer) update(servers []string) {
	b.mutex.Lock()
	defer b.mutex.Unlock()
	if len(servers) > 0 && !slices.Equal(servers, b.ServerAddresses) {
		b.ServerAddresses = servers
		say("info", "Updated load balancer k3s-agent-load-balancer server addresses -> [%s]", strings.Join(servers, " "))
		b.save()
	}
}

// start listens and returns the URL of it.
func (b *balancer) start(port string) string {
	listener := must(net.Listen("tcp", "127.0.0.1:"+port))
	say("info", "Running load balancer k3s-agent-load-balancer %s -> [%s] [default: %s]",
		listener.Addr(), strings.Join(b.ServerAddresses, " "), b.original)
	go func() {
		for {
			connection, err := listener.Accept()
			if err == nil {
				go b.forward(connection)
			}
		}
	}()
	return "https://" + listener.Addr().String()
}

// forward takes the first server that can be reached, and at last the one that was configured.
func (b *balancer) forward(from net.Conn) {
	defer from.Close()
	b.mutex.Lock()
	candidates := append(slices.Clone(b.ServerAddresses), b.original)
	b.mutex.Unlock()
	for _, address := range candidates {
		to, err := net.DialTimeout("tcp", address, time.Second)
		if err != nil {
			continue
		}
		defer to.Close()
		go func() { io.Copy(to, from); to.Close() }()
		io.Copy(from, to)
		return
	}
}
